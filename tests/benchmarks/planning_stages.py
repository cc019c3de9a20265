"""The stages of a cohort planned one after the other, each shard as its asset plans it; only the work is a stand-in."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NoReturn

import pyarrow as pa
from pydantic import BaseModel

from assets.prealignment.asset import PREALIGNMENT_VERSION
from assets.prealignment.asset_rows import planned_prealignments
from assets.prealignment.settings import PrealignmentSettings
from assets.registration.asset import REGISTRATION_VERSION
from assets.registration.asset_rows import planned_registrations
from assets.registration.settings import RefinementSettings
from assets.segmentation.asset import VERSION as MASKS_VERSION
from assets.segmentation.asset_rows import planned_masks
from assets.segmentation.settings import SegmentationSettings
from assets.tables.alignment import LUNG_MASKS, PREALIGNED, RADIOGRAPHS, REGISTERED
from resources.dagster_shapes import set_aside_table
from resources.manifests import Place, pointer_version
from resources.object_store import ObjectStore
from resources.planned import Brought, Planned
from resources.stage_run import StageRun
from resources.unchanged import unchanged
from tests.benchmarks.planning_cohort import (
    COHORT,
    MODELS,
    SHARD_ROWS,
    TINY,
    finished,
    model_row,
    radiographs,
    shards_of,
)
from tests.benchmarks.planning_pairs import VERSION as PAIRS_VERSION
from tests.benchmarks.planning_pairs import pair


@dataclass(frozen=True)
class PerImage:
    """A stage with a row a radiograph: its version and settings, how it plans a shard, and its manifest's columns."""

    version: str
    settings: type[BaseModel]
    plan: Callable[..., Planned]
    schema: pa.Schema


def _no_network() -> NoReturn:
    raise AssertionError("nothing is registered here")


PER_IMAGE = {
    "lung_masks": PerImage(MASKS_VERSION, SegmentationSettings, planned_masks, LUNG_MASKS),
    "prealigned_radiographs": PerImage(PREALIGNMENT_VERSION, PrealignmentSettings, planned_prealignments, PREALIGNED),
    "registered_radiographs": PerImage(
        REGISTRATION_VERSION,
        RefinementSettings,
        lambda run, settings: planned_registrations(run, settings, _no_network),
        REGISTERED,
    ),
}
ORDER = (
    "lung_segmenter",
    "lung_masks",
    "reference_lung",
    "prealigned_radiographs",
    "registration_model",
    "registered_radiographs",
    "pseudo_pairs",
)


@dataclass(frozen=True)
class Seconds:
    """How long each stage took for all its shards, processor time of all, and how many rows and pairs were computed."""

    seconds: dict[str, float]
    processor: float
    computed: int


def write_radiographs(store: ObjectStore, rows: int, every: int | None = None) -> int:
    """Publish the radiographs of a cohort, each `every`-th changed; how many those are."""
    changed = range(0, rows, every) if every else range(0)
    for shard in range(shards_of(rows)):
        numbers = range(shard * SHARD_ROWS, min(rows, (shard + 1) * SHARD_ROWS))
        run = opened(store, "radiographs", "1", shard_name(rows, shard))
        content = radiographs(numbers, set(changed) & set(numbers))
        run.finish(Brought(content, len(numbers), 0, 0), RADIOGRAPHS, {})
    return len(changed)


def plan(store: ObjectStore, rows: int, *, first: bool = False) -> Seconds:
    """Plan every stage after the radiographs.

    Args:
        store: where the cohort lies.
        rows: its radiographs.
        first: make all artefacts without planning, so that there is something to be found unchanged.
    """
    seconds: dict[str, float] = defaultdict(float)
    computed, processor = 0, time.process_time()
    for stage in ORDER:
        started = time.perf_counter()
        if stage in MODELS:
            _keep_model(store, stage)
        elif stage == "pseudo_pairs":
            computed += pair(opened(store, stage, PAIRS_VERSION, COHORT))
        else:
            shards = range(shards_of(rows))
            computed += sum(_shard_planned(store, stage, shard_name(rows, shard), first=first) for shard in shards)
        seconds[stage] = time.perf_counter() - started
    return Seconds(dict(seconds), time.process_time() - processor, computed)


def shard_name(rows: int, number: int) -> str:
    """Partition of a shard by its number."""
    return f"{COHORT}/{number:0{len(str(shards_of(rows) - 1))}d}"


def _keep_model(store: ObjectStore, stage: str) -> None:
    schema, upstream = MODELS[stage]
    run = opened(store, stage, "1", COHORT)
    for name in upstream:
        if name in MODELS:
            run.model(name)
        else:
            run.ok_table(name, columns=["radiograph_id", "key", "split", "domain"])
    run.finish(model_row(run, schema), schema, {})


def _shard_planned(store: ObjectStore, stage: str, partition: str, *, first: bool) -> int:
    each = PER_IMAGE[stage]
    run = opened(store, stage, each.version, partition)
    settings = run.settings(each.settings)
    if first:
        done = finished(run, each.plan(run, settings), each.schema)
    else:
        done = unchanged(run, each.schema) or run.refresh_planned(
            replace(each.plan(run, settings), work=lambda position: TINY), each.schema
        )
    run.finish(done, each.schema, {"set_aside": set_aside_table(done.columns("status", "reason"))})
    return done.computed


def opened(store: ObjectStore, stage: str, version: str, partition: str) -> StageRun:
    """A run of a stage as `stage_run` opens it."""
    return StageRun(
        store=store,
        stage=stage,
        version=version,
        partition=partition,
        cohort=COHORT,
        mapping={},
        launched={},
        run_id="benchmark",
        progress=lambda line: None,
        expected=pointer_version(store, Place(stage, partition)),
    )
