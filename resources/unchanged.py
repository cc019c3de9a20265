"""The shortest way through a stage: nothing that a manifest was made from has changed, so it is taken as it is."""

from typing import Any

import pyarrow as pa

from resources.manifests import Place, digest_of, read_pointer, table_from
from resources.object_store import ObjectStore
from resources.planned import Brought
from resources.stage_run import StageRun


def unchanged(run: StageRun, schema: pa.Schema) -> Brought | None:
    """The current manifest's rows where nothing that they were made from has changed, without planning any of them.

    For stages that read the same places at every run, and besides manifests nothing but settings.

    Args:
        run: the stage's run; its settings must have been taken.
        schema: of the manifest as it is to be.

    Returns:
        None where a row may have to be computed: another version, setting or upstream manifest, rows that are to be
        tried again, a manifest that is altered or has other columns, a missing artefact.

    Raises:
        Failure: an upstream stage was made from manifests that are no longer current.
    """
    before = read_pointer(run.store, run.place)
    if before is None or run.retry_failed or not run.set_as(before) or not _all_current(run, before["parents"]):
        return None
    table = _unaltered(run.store, run.place, before)
    if table is None or not table.schema.equals(schema) or not _all_there(run.store, run.place, table):
        return None
    run.parents.update(before["parents"])
    return Brought(table, 0, table.num_rows, 0, before["digest"])


def _all_current(run: StageRun, parents: dict[str, str]) -> bool:
    for parent, digest in parents.items():
        upstream, _, partition = parent.partition("@")
        place = Place(upstream, partition)
        pointer = read_pointer(run.store, place)
        if pointer is None or pointer["digest"] != digest:
            return False
        run.require_one_generation(place, pointer)
    return True


def _unaltered(store: ObjectStore, place: Place, pointer: dict[str, Any]) -> pa.Table | None:
    data = store.read_or_none(place.manifest(pointer["digest"]))
    return None if data is None or digest_of(data) != pointer["digest"] else table_from(data)


def _all_there(store: ObjectStore, place: Place, table: pa.Table) -> bool:
    present = store.find(f"{place.folder}/artifacts")
    return all(path in present for path in table["artifact"].to_pylist() if path)
