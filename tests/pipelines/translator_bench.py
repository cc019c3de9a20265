"""The translators alone, on manifests of earlier stages that were made up: seconds instead of a whole run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.images import to_uint16
from assets.radiographs.phantom.cohort import phantom_label, phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.tables.alignment import LUNG_MASKS, PREALIGNED, RADIOGRAPHS, REFERENCE_LUNG, REGISTERED
from assets.tables.translation import PSEUDO_PAIRS
from assets.translation.asset import translator
from resources import stage_run
from resources.accelerator import Accelerator
from resources.arrays import encode
from resources.catalogue import Entry
from resources.manifests import Place, digest_of, publish, read_manifest
from resources.object_store import ObjectStore
from resources.stage_run import RETRY_TAG, Store
from tests.translation.tiny_training import SMALL as OF_NOISE

COHORT = "phantom"
PHANTOMS = PhantomSettings(size=64, subjects=12, seed=5)
SMALL: dict[str, Any] = {**OF_NOISE, "arms": ["none/cut"], "checked_images": 0}
SHARDED = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")


def lay_out(store: ObjectStore, training: int = 8) -> None:
    """Write what the translators read: `training` radiographs, half of them abnormal, and four for validation."""
    names = [f"{index:064x}" for index in range(PHANTOMS.subjects)]
    rows: dict[str, list[dict[str, Any]]] = {stage: [] for stage in (*SHARDED, "reference_lung")}
    for index, name in enumerate(names):
        shown = phantom_subject(index, PHANTOMS.seed, PHANTOMS)
        arrays = {"image": to_uint16(shown.image), "lungs": shown.lungs, "lesion": shown.lesion}
        split = "train" if index < training else "validation"
        own = {"radiograph_id": name, "domain": phantom_label(index), "label": phantom_label(index), "split": split}
        for stage in SHARDED:
            # The window of the lungs; only rows of masks have it.
            window = {"window_low": 0.0, "window_high": 1.0}
            row = {**own, **_stored(store, stage, f"{index:032x}", arrays), "row": index + 1, "patient": name[:24]}
            rows[stage].append(row | (window if stage == "lung_masks" else {}))
    rows["reference_lung"].append(_stored(store, "reference_lung", "ab" * 16, arrays))
    schemas = (RADIOGRAPHS, LUNG_MASKS, PREALIGNED, REGISTERED, REFERENCE_LUNG)
    for (stage, found), schema in zip(rows.items(), schemas, strict=True):
        _publish(store, stage, found, schema)
    partners = [(names[index + 1], names[index]) for index in range(0, training, 2)]
    lay_out_pairs(store, partners)


def lay_out_pairs(store: ObjectStore, partners: Sequence[tuple[str, str]]) -> None:
    """Write pseudo-pairs: an abnormal and a normal radiograph each."""
    pairs = [
        {"abnormal_id": abnormal, "normal_id": normal, "split": "train", "status": "ok"}
        for abnormal, normal in partners
    ]
    _publish(store, "pseudo_pairs", pairs, PSEUDO_PAIRS)


def place(stage: str) -> Place:
    """Where a stage of the cohort is."""
    return Place(stage, f"{COHORT}/0" if stage in SHARDED else COHORT)


def train(root: str, *, retry_failed: bool = False, threads: int = 1, **settings: object) -> None:
    """Materialise the translators with these settings over `SMALL`, as many at once as there are threads.

    Raises:
        Exception: what the stage raised.
    """
    with _declared(), dg.DagsterInstance.ephemeral() as instance:
        dg.materialize(
            [translator],
            instance=instance,
            partition_key=COHORT,
            tags={RETRY_TAG: "true"} if retry_failed else {},
            resources={"store": Store(root=root), "accelerator": Accelerator(device="cpu", threads=threads)},
            run_config={
                "ops": {"translator": {"config": {**SMALL, **settings}}},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
        )


def rows_of(store: ObjectStore) -> list[dict[str, Any]]:
    """The translators' manifest."""
    rows: list[dict[str, Any]] = table_of(store, "translator").to_pylist()
    return rows


def table_of(store: ObjectStore, stage: str) -> pa.Table:
    """A stage's manifest."""
    table = read_manifest(store, place(stage))
    assert table is not None
    return table


def checkpoints(store: ObjectStore) -> list[str]:
    """Paths of the checkpoints that lie there."""
    return sorted(store.find("checkpoints"))


def _stored(store: ObjectStore, stage: str, key: str, arrays: dict[str, Any]) -> dict[str, Any]:
    data, path = encode(arrays, {}), place(stage).artifact(key)
    store.write(path, data)
    return {"key": key, "status": "ok", "reason": "", "artifact": path, "artifact_digest": digest_of(data)}


def _publish(store: ObjectStore, stage: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    publish(store, place(stage), table, {"parents": {}, "settings": {}, "version": "1"})


@contextmanager
def _declared() -> Iterator[None]:
    declaration = {
        "name": COHORT,
        "kind": "phantom",
        "phantom": {"subjects": PHANTOMS.subjects, "seed": PHANTOMS.seed},
        "normal_labels": ["normal"],
        "abnormal_labels": ["abnormal"],
    }
    entry = vars(stage_run)["entry_named"]
    vars(stage_run)["entry_named"] = lambda name: Entry(Path(), name, declaration)
    try:
        yield
    finally:
        vars(stage_run)["entry_named"] = entry
