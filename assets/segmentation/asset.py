"""Lung masks: supplied by the cohort, drawn by its lung segmenter or found by PBTSeg; each is judged."""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.radiographs.photometric import lung_window
from assets.segmentation.dice_table import DICE_COLUMNS, dice_table
from assets.segmentation.preview import review_sheet, score_histogram, worst_first
from assets.segmentation.quality import dice
from assets.segmentation.selection import Candidate, Judge, choose
from assets.segmentation.settings import SegmentationSettings, Source
from assets.segmentation.sources import RowMasks
from assets.segmenter.crossfit import Segmenters, part_of, segmenters
from assets.segmenter.settings import SegmenterSettings
from assets.tables.alignment import LUNG_MASKS
from assets.tables.common import CARRIED
from resources.accelerator import Accelerator
from resources.arrays import CorruptArtifact
from resources.dagster_shapes import PICTURE_BYTES, checked, column_schema, set_aside_table, table
from resources.incremental import Outcome, row_keys
from resources.manifests import read_artifact
from resources.partitions import SHARDS, cohort_model
from resources.planned import Brought, Planned, row_at, row_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "2"
SHEET_ROWS = 12
ABSENT: dict[Source, str] = {
    "supplied": "the cohort supplies none for this row",
    "trained": "the cohort has no lung segmenter",
}
Load = Callable[[], Segmenters | None]


def _outcome(
    run: StageRun, row: Row, segmenter: Row, load: Load, gate: float | None, settings: SegmentationSettings
) -> Outcome:
    arrays = read_artifact(run.store, row)
    networks = load()
    # Of another cohort's patients nobody knows which network saw fewest of them.
    lent = bool(segmenter["borrowed_from"])
    network = None if networks is None else networks.together if lent else networks.of(row["patient"])
    masks = RowMasks(from_uint16(arrays["image"]), arrays.get("lungs"), network, settings)
    # Without a segmenter nobody knows the population's offset; between the sides it is near none.
    choice = choose(masks.makers, Judge(settings, masks.score, gate or 0.0), segmenter["base_offset"] or 0.0, ABSENT)
    if choice.taken is None:
        return Outcome({"passed_over": choice.passed_over}, status="rejected", reason=_rejection(masks))
    lungs = choice.taken.lungs
    low, high = lung_window(masks.image, lungs, settings.window_low, settings.window_high)
    columns: dict[str, Any] = {
        **_chosen(choice.taken),
        "passed_over": choice.passed_over,
        "window_low": low,
        "window_high": high,
        "dice_supplied": None
        if masks.supplied is None or choice.taken.source == "supplied"
        else dice(lungs, masks.supplied),
        **masks.agreement(),
    }
    reasons = choice.taken.reasons
    return Outcome(columns, {"lungs": lungs}, "needs_review" if reasons else "ok", "; ".join(reasons))


def _chosen(taken: Candidate) -> dict[str, Any]:
    right, left = taken.quality or (None, None)
    return {
        "mask_source": taken.source,
        "base_completed": taken.base_completed,
        "area_right": float(np.mean(taken.lungs == 1)),
        "area_left": float(np.mean(taken.lungs == 2)),
        "quality": min(taken.quality) if taken.quality else None,
        "quality_right": right,
        "quality_left": left,
    }


def _rejection(masks: RowMasks) -> str:
    sources = masks.settings.sources
    if all(masks.makers[source]() is None for source in sources):
        return f"no mask comes from {', '.join(sources)}; add pbtseg to lung_masks.sources, which needs none"
    return "no two lungs were found; supply a mask for this row"


def loader(run: StageRun, segmenter: Row) -> Load:
    """Loads the networks of a segmenter's row when they are first asked for: where all rows are reused, never.

    What it returns gives None for a segmenter that is set aside, and raises CorruptArtifact where it cannot be used.
    """

    @cache
    def load() -> Segmenters | None:
        if segmenter["status"] != "ok":
            return None
        arrays = read_artifact(run.store, segmenter)
        try:
            return segmenters(arrays, SegmenterSettings.model_validate_json(segmenter["settings"]))
        except ValueError as error:
            # No row's fault, so it must not make every row a failed one.
            raise CorruptArtifact(
                f"the lung segmenter cannot be used ({type(error).__name__}); delete {segmenter['artifact']} and run "
                "lung_segmenter again, of the lender where it is borrowed"
            ) from error

    return load


@dg.asset(
    partitions_def=SHARDS,
    deps=["radiographs", cohort_model("lung_segmenter")],
    group_name="segmentation",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(SegmentationSettings),
    metadata=column_schema(LUNG_MASKS),
    check_specs=[
        dg.AssetCheckSpec("masks_plausible", asset="lung_masks", description="Few masks fail the quality gates")
    ],
)
def lung_masks(context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Left and right lung of every radiograph (1 = patient-right), with the percentile window of its lungs."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(SegmentationSettings)
        accelerator.torch_device()
        done = unchanged(run, LUNG_MASKS) or run.refresh_planned(planned_masks(run, settings), LUNG_MASKS)
        agreement = _agreement(run, done)
        return run.finish(
            done,
            LUNG_MASKS,
            {
                "set_aside": set_aside_table(done.columns("status", "reason")),
                **({"dice_with_supplied_masks": table(agreement, DICE_COLUMNS)} if agreement else {}),
            },
            partial(_pictures, run, done, settings),
            [checked("masks_plausible", done.columns("status"), settings.share_set_aside)],
        )


def planned_masks(run: StageRun, settings: SegmentationSettings) -> Planned:
    """The masks that a shard is to have, by what its radiographs and its cohort's segmenter are now."""
    sources = run.ok_table("radiographs", run.partition, [*CARRIED, "key", "artifact", "artifact_digest"])
    segmenter = run.model("lung_segmenter")
    made_by = [segmenter["key"], segmenter["artifact_digest"]] if segmenter["status"] == "ok" else ["none"]
    load, gate = loader(run, segmenter), _gate(segmenter, settings)
    decisive = settings.model_dump(exclude={"share_set_aside"})
    return Planned(
        row_keys(run.stage, run.version, decisive, [sources["key"].to_pylist(), *made_by, *_parts(sources, segmenter)]),
        sources.select(CARRIED),
        lambda position: _outcome(run, row_at(sources, position), segmenter, load, gate, settings),
    )


def _parts(sources: pa.Table, segmenter: Row) -> list[list[str]]:
    """The part of each row's patient, which decides who draws its mask; nothing where a single network does, or all."""
    parts = SegmenterSettings.model_validate_json(segmenter["settings"]).cross_fit if segmenter["settings"] else 1
    if parts == 1 or segmenter["borrowed_from"]:
        return []
    return [[str(part_of(patient, parts)) for patient in sources["patient"].to_pylist()]]


def _gate(segmenter: Row, settings: SegmentationSettings) -> float | None:
    gate: float | None = segmenter["gate"] if settings.gate is None else settings.gate
    return gate


def _agreement(run: StageRun, done: Brought) -> list[Row]:
    dices = [name for name in LUNG_MASKS.names if name.startswith("dice_")]
    rows = done.columns("label", "split", "artifact", *dices)
    return dice_table({**row, "cohort": run.cohort} for row in rows if row["artifact"])


def _pictures(run: StageRun, done: Brought, settings: SegmentationSettings) -> dict[str, bytes]:
    sources = run.ok_table("radiographs", run.partition)
    gate = _gate(run.model("lung_segmenter"), settings)
    rows = [row for row in done.rows if row["artifact"]]
    chosen = [dict(row) for row in worst_first(rows)[:SHEET_ROWS]]
    images = [from_uint16(read_artifact(run.store, row_of(sources, row["radiograph_id"]))["image"]) for row in chosen]
    lungs = [read_artifact(run.store, row)["lungs"] for row in chosen]
    sheets = {"masks": to_png(review_sheet(images, lungs, chosen), PICTURE_BYTES)} if chosen else {}
    scores: dict[str, list[float | None]] = {}
    for row in rows:
        scores.setdefault(row["status"], []).append(row["quality"])
    if any(row["quality"] is not None for row in rows):
        title = f"{run.partition}: quality of the lung masks"
        sheets["quality"] = to_png(score_histogram(dict(sorted(scores.items())), gate, title), PICTURE_BYTES)
    return sheets
