"""Removing a patient from a store that was made up, and what is left in it."""

from typing import Any

import dagster as dg
import numpy as np

from assets.pictures import to_png
from pipelines.forget.layout import layout
from pipelines.forget.removal import Removed, find_theirs, remove
from pipelines.forget.theirs import Theirs
from pipelines.lineage.fitted_on import FITTED_STAGES
from resources.arrays import encode
from resources.manifests import Place, read_pointer, require_current
from resources.object_store import ObjectStore
from resources.removals import removals
from resources.stage_run import StageRun
from tests.lineage.made_up import MadeUp
from tests.lineage.scan import pixels_of
from tests.lineage.test_answer import rewrite

# Patients: the reference lung's own, one who trained, one who validated, one who was tested.
REFERENCE, TRAINED, VALIDATED, TESTED = 0, 3, 14, 17


FITTED = {f"{stage}@made" for stage in FITTED_STAGES}


def places_of(store: ObjectStore) -> list[Place]:
    return [place for place in layout(store).objects if read_pointer(store, place)]


def litter(made: MadeUp, index: int) -> None:
    """Leave what runs leave besides rows: earlier manifests, orphans, thumbnails, pictures, a killed writer's file."""
    store, shard, key = made.store, made.shard(index), made.key("registered_radiographs", index)
    arrays = made.arrays("registered_radiographs", index)
    png = to_png(np.repeat((arrays["image"] >> 8).astype(np.uint8)[..., None], 3, axis=2))
    for stage in ("lung_masks", "registered_radiographs"):
        rewrite(store, Place(stage, shard), lambda row: {**row, "reason": "looked at"})
        store.write(f"stages/{stage}/{shard}/pictures/sheet.png", png)
    store.write(Place("lung_masks", shard).artifact("f" * 32), encode(arrays, {}))
    store.write(f"{Place('registered_radiographs', shard).folder}/artifacts/ab/.{key}.0123", encode(arrays, {}))
    store.write(f"stages/radiographs/{shard}/index/files.json", made.file(index).encode())
    store.write(f"stages/pseudo_pairs/made/descriptors/{shard}.safetensors", encode({key: arrays["image"]}, {}))
    store.write("stages/evaluation/made/report.html", made.name(index)[:6].encode() + png)
    store.write("checkpoints/0.safetensors", encode({"pool": arrays["image"]}, {}))
    failure = (
        f'{{"run_id": "1", "error": "{Place("lung_masks", shard).artifact(made.key("lung_masks", index))} missing"}}'
    )
    store.write(f"stages/prealigned_radiographs/{shard}/FAILED.json", failure.encode())


def forgotten(made: MadeUp, instance: dg.DagsterInstance, index: int) -> tuple[Theirs, list[bytes], Removed]:
    found = find_theirs(made.store, [made.patient(index)])
    pixels = pixels_of(made.store, found, places_of(made.store))
    return found, pixels, remove(made.store, instance, found)


def contents(store: ObjectStore) -> dict[str, Any]:
    return {str(place): require_current(store, place) for place in places_of(store)}


def forgotten_before(made: MadeUp, index: int) -> tuple[Theirs, list[bytes]]:
    found = find_theirs(made.store, [made.patient(index)])
    return found, pixels_of(made.store, found, places_of(made.store))


def open_run(store: ObjectStore, cohort: str = "made") -> StageRun:
    """A run of a stage that has begun."""
    begun = removals(store, cohort)
    return StageRun(store, "lung_masks", "1", f"{cohort}/1", cohort, {}, {}, "run", lambda line: None, removals=begun)
