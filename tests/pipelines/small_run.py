"""Five cheap stages of a small phantom cohort, for tests that run them many times in processes of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from assets.prealignment.asset import prealigned_radiographs, reference_lung
from assets.radiographs.asset import radiographs
from assets.segmentation.asset import lung_masks
from assets.segmenter.asset import lung_segmenter
from resources import stage_run
from resources.accelerator import Accelerator
from resources.catalogue import Entry
from resources.manifests import Place, read_manifest, read_pointer
from resources.object_store import ObjectStore
from resources.stage_run import Store

COHORT = "phantom"
SUBJECTS = 5
DECLARATION: dict[str, Any] = {
    "name": COHORT,
    "kind": "phantom",
    "phantom": {"subjects": SUBJECTS, "seed": 3},
    "normal_labels": ["normal"],
    "abnormal_labels": ["abnormal"],
    "settings": {
        "radiographs": {"size": 64, "test_share": 0.3},
        "lung_masks": {"sources": ["supplied"]},
        "lung_segmenter": {"working_size": 32, "channels": [4, 8], "residual_units": 0, "steps": 1, "batch_size": 2},
    },
}
STAGES = (radiographs, lung_segmenter, lung_masks, reference_lung, prealigned_radiographs)
NAMES = tuple(asset.key.to_user_string() for asset in STAGES)
PER_COHORT = ("lung_segmenter", "reference_lung")


def place(stage: str) -> Place:
    """Where a stage of the cohort is."""
    return Place(stage, COHORT if stage in PER_COHORT else f"{COHORT}/0")


def run_stages(root: str, names: tuple[str, ...] = NAMES, declaration: dict[str, Any] = DECLARATION) -> None:
    """Materialise stages one after the other; the first that fails ends it.

    Raises:
        Exception: what the stage raised.
    """
    with _declared(declaration), dg.DagsterInstance.ephemeral() as instance:
        for stage, asset in zip(NAMES, STAGES, strict=True):
            if stage in names:
                dg.materialize(
                    [asset],
                    instance=instance,
                    partition_key=place(stage).partition,
                    resources={"store": Store(root=root), "accelerator": Accelerator(device="cpu", threads=1)},
                    run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                )


@contextmanager
def _declared(declaration: dict[str, Any]) -> Iterator[None]:
    entry = vars(stage_run)["entry_named"]
    vars(stage_run)["entry_named"] = lambda name: Entry(Path(), name, declaration)
    try:
        yield
    finally:
        vars(stage_run)["entry_named"] = entry


def pointers(store: ObjectStore) -> dict[str, dict[str, Any]]:
    """Pointer records of the stages that have completed."""
    found = {stage: read_pointer(store, place(stage)) for stage in NAMES}
    return {stage: pointer for stage, pointer in found.items() if pointer is not None}


def manifests(store: ObjectStore) -> dict[str, bytes]:
    """Bytes of every current manifest."""
    return {stage: store.read(place(stage).manifest(found["digest"])) for stage, found in pointers(store).items()}


def rows(store: ObjectStore, stage: str) -> list[dict[str, Any]]:
    """Rows of a current manifest."""
    table = read_manifest(store, place(stage))
    assert table is not None, f"{stage} has not run"
    found: list[dict[str, Any]] = table.to_pylist()
    return found
