"""What goes besides rows: every object of a patient's partitions that no current manifest names."""

import json

from pipelines.forget.layout import Layout
from pipelines.forget.theirs import Theirs
from pipelines.lineage.reading import Reader, Row
from resources.manifests import Place
from resources.object_store import ObjectStore

CHECKPOINTS = "checkpoints"
FAILED = "failed before a patient withdrew; run the cohort again"


def purgeable(store: ObjectStore, places: Layout, partitions: tuple[str, ...]) -> list[str]:
    """Artefacts that no current manifest names, earlier manifests, pictures, reports and caches.

    A patient's pixels may be in any of them: in an artefact of a killed run, on a contact sheet, in a thumbnail. All
    of it comes back with the next run.

    Args:
        store: the artefact store.
        places: its layout before the rows were removed.
        partitions: shards and cohorts that the patient was in.

    Returns:
        Paths of the objects.
    """
    reader = Reader(store)
    return [
        path for place in places.objects if place.partition in partitions for path in _unnamed(reader, places, place)
    ]


def purge(store: ObjectStore, places: Layout, partitions: tuple[str, ...]) -> int:
    """Delete what is purgeable; returns the number of objects deleted."""
    return _delete(store, purgeable(store, places, partitions))


def purge_checkpoints(store: ObjectStore) -> int:
    """Delete the checkpoints of every cohort, for nothing tells whose training one is of; returns their number."""
    return _delete(store, sorted(store.stamps(CHECKPOINTS)))


def _delete(store: ObjectStore, doomed: list[str]) -> int:
    for path in doomed:
        store.delete(path)
    return len(doomed)


def _unnamed(reader: Reader, places: Layout, place: Place) -> list[str]:
    pointer = reader.pointer(place)
    kept = {f"{place.folder}/FAILED.json"}
    table = reader.table(place, ["artifact"])
    if pointer is not None and table is not None:
        kept |= {f"{place.folder}/CURRENT.json", place.manifest(pointer["digest"]), *table["artifact"].to_pylist()}
    return [path for path in places.objects[place] if path not in kept]


def scrub_failures(store: ObjectStore, places: Layout, found: Theirs) -> None:
    """Replace the text of failure records that name something of the patient's, such as an artefact."""
    tokens = [found.patient, *found.radiographs, *found.files, *found.keys]
    for place, paths in places.objects.items():
        path = f"{place.folder}/FAILED.json"
        if path in paths and place.partition in found.partitions:
            record: Row = json.loads(store.read(path))
            if any(token in record["error"] for token in tokens):
                store.write(path, json.dumps({**record, "error": FAILED}).encode())
