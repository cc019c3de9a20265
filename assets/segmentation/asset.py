"""Lung masks: supplied by the cohort, drawn by its lung segmenter or found by PBTSeg; each is judged."""

from functools import partial

import dagster as dg

from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.segmentation.asset_rows import gate_of, planned_masks
from assets.segmentation.dice_table import DICE_COLUMNS, dice_table
from assets.segmentation.preview import review_sheet, score_histogram, worst_first
from assets.segmentation.settings import SegmentationSettings
from assets.tables.alignment import LUNG_MASKS
from resources.accelerator import Accelerator
from resources.dagster_shapes import PICTURE_BYTES, checked, column_schema, set_aside_table, table
from resources.manifests import read_artifact
from resources.partitions import SHARDS, cohort_model
from resources.planned import Brought, row_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "2"
SHEET_ROWS = 12


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


def _agreement(run: StageRun, done: Brought) -> list[Row]:
    dices = [name for name in LUNG_MASKS.names if name.startswith("dice_")]
    rows = done.columns("label", "split", "artifact", *dices)
    return dice_table({**row, "cohort": run.cohort} for row in rows if row["artifact"])


def _pictures(run: StageRun, done: Brought, settings: SegmentationSettings) -> dict[str, bytes]:
    sources = run.ok_table("radiographs", run.partition)
    gate = gate_of(run.model("lung_segmenter"), settings)
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
