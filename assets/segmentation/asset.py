"""Lung masks: supplied by the cohort or found by PBTSeg, each judged by the quality gates."""

from functools import partial
from typing import Any

import dagster as dg
import numpy as np

from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.radiographs.photometric import lung_window
from assets.segmentation.cleanup import clean
from assets.segmentation.pbtseg import segment
from assets.segmentation.preview import mask_sheet
from assets.segmentation.quality import dice, lung_flags
from assets.segmentation.settings import SegmentationSettings
from assets.tables import CARRIED, LUNG_MASKS
from resources.dagster_shapes import PICTURE_BYTES, checked, column_schema, set_aside_table
from resources.incremental import Outcome, Task, row_key
from resources.manifests import read_artifact
from resources.partitions import SHARDS
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "1"
SHEET_ROWS = 18


def _outcome(run: StageRun, row: Row, settings: SegmentationSettings) -> Outcome:
    arrays = read_artifact(run.store, row)
    image = from_uint16(arrays["image"])
    supplied = arrays.get("lungs")
    wants_supplied = settings.source != "pbtseg" and supplied is not None
    if not wants_supplied and settings.source == "supplied":
        return Outcome(
            status="rejected", reason="the cohort supplies no lung mask; allow PBTSeg by source=supplied_then_pbtseg"
        )
    lungs = (
        clean(supplied, settings)
        if wants_supplied and supplied is not None
        else clean(segment(image, settings), settings)
    )
    if not (np.any(lungs == 1) and np.any(lungs == 2)):
        return Outcome(status="rejected", reason="no two lungs were found; supply a mask for this row")
    flags = lung_flags(lungs, settings)
    low, high = lung_window(image, lungs, settings.window_low, settings.window_high)
    columns: dict[str, Any] = {
        "mask_source": "supplied" if wants_supplied else "pbtseg",
        "area_right": float(np.mean(lungs == 1)),
        "area_left": float(np.mean(lungs == 2)),
        "window_low": low,
        "window_high": high,
        "dice_supplied": None if supplied is None or wants_supplied else dice(lungs, supplied),
    }
    return Outcome(columns, {"lungs": lungs}, "needs_review" if flags else "ok", "; ".join(flags))


@dg.asset(
    partitions_def=SHARDS,
    deps=["radiographs"],
    group_name="segmentation",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(SegmentationSettings),
    metadata=column_schema(LUNG_MASKS),
    check_specs=[
        dg.AssetCheckSpec("masks_plausible", asset="lung_masks", description="Few masks fail the quality gates")
    ],
)
def lung_masks(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Left and right lung of every radiograph (1 = patient-right), with the percentile window of its lungs."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(SegmentationSettings)
        sources = run.ok("radiographs", run.partition)
        tasks = [
            Task(
                row_key(run.stage, run.version, settings.model_dump(exclude={"share_set_aside"}), [row["key"]]),
                {name: row[name] for name in CARRIED},
                partial(_outcome, run, row, settings),
            )
            for row in sources
        ]
        done = run.refresh(tasks)
        by_id = {row["radiograph_id"]: row for row in sources}
        shown = sorted(done.rows, key=lambda row: row["radiograph_id"])
        return run.finish(
            done,
            LUNG_MASKS,
            {"set_aside": set_aside_table(done.rows)},
            partial(_pictures, run, by_id, shown),
            [checked("masks_plausible", done.rows, settings.share_set_aside)],
        )


def _pictures(run: StageRun, sources: dict[str, Row], rows: list[Row]) -> dict[str, bytes]:
    drawn = [row for row in rows if row["artifact"]]
    aside, fine = ([row for row in drawn if (row["status"] == "ok") == ok] for ok in (False, True))
    chosen = [*aside[: SHEET_ROWS // 2], *fine[: SHEET_ROWS - len(aside[: SHEET_ROWS // 2])]]
    images = [from_uint16(read_artifact(run.store, sources[row["radiograph_id"]])["image"]) for row in chosen]
    lungs = [read_artifact(run.store, row)["lungs"] for row in chosen]
    captions = [f"{row['radiograph_id'][:6]} {'ok' if row['status'] == 'ok' else 'review'}" for row in chosen]
    return {"masks": to_png(mask_sheet(images, lungs, captions), PICTURE_BYTES)} if chosen else {}
