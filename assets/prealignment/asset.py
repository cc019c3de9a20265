"""The reference lung, and IT-PR: every lung moved to the reference in closed form, without training."""

from functools import partial

import dagster as dg

from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.pictures import outline, to_png
from assets.prealignment.asset_reference import fitted_reference
from assets.prealignment.asset_rows import planned_prealignments
from assets.prealignment.asset_stored import MASK_COLUMNS, STORED, windowed
from assets.prealignment.preview import alignment_sheet, mean_image_sheet
from assets.prealignment.settings import PrealignmentSettings, ReferenceSettings
from assets.tables.alignment import PREALIGNED, REFERENCE_LUNG
from resources.arrays import Arrays
from resources.borrowed import borrowed_model
from resources.dagster_shapes import PICTURE_BYTES, column_schema, set_aside_table
from resources.incremental import Refreshed
from resources.manifests import read_artifact
from resources.partitions import COHORTS, SHARDS, SHARDS_BY_COHORT, all_shards_of, cohort_model
from resources.planned import Brought, row_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

REFERENCE_VERSION = "2"
PREALIGNMENT_VERSION = "2"
SHEET_ROWS = 6


@dg.asset(
    partitions_def=COHORTS,
    deps=[all_shards_of("radiographs"), all_shards_of("lung_masks")],
    group_name="prealignment",
    kinds={"numpy", "parquet"},
    owners=["team:imaging"],
    code_version=REFERENCE_VERSION,
    config_schema=config_schema(ReferenceSettings),
    metadata=column_schema(REFERENCE_LUNG),
)
def reference_lung(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """The one reference: medoid or mean of training normals' lungs, kept until its basis changes, or borrowed."""
    with stage_run(context, store, REFERENCE_VERSION) as run:
        settings = run.settings(ReferenceSettings)
        lender = settings.borrow_from
        model = borrowed_model(run, lender, SHARDS_BY_COHORT) if lender else fitted_reference(run, settings)
        run.settings_used["refit"] = False
        done = Refreshed([model.row], int(model.computed), int(not model.computed), 0, 0.0)
        return run.finish(done, REFERENCE_LUNG, {"decision": model.why}, partial(_reference_picture, model.arrays))


def _reference_picture(arrays: Arrays) -> dict[str, bytes]:
    return {"reference": to_png(outline(from_uint16(arrays["image"]), arrays["lungs"]), PICTURE_BYTES)}


@dg.asset(
    partitions_def=SHARDS,
    deps=["radiographs", "lung_masks", cohort_model("reference_lung")],
    group_name="prealignment",
    kinds={"numpy", "parquet"},
    owners=["team:imaging"],
    code_version=PREALIGNMENT_VERSION,
    config_schema=config_schema(PrealignmentSettings),
    metadata=column_schema(PREALIGNED),
    check_specs=[dg.AssetCheckSpec("no_folds", asset="prealigned_radiographs", description="IT-PR folds no lung")],
)
def prealigned_radiographs(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Every radiograph in the reference's lung coordinates (IT-PR), with its backward displacement field."""
    with stage_run(context, store, PREALIGNMENT_VERSION) as run:
        settings = run.settings(PrealignmentSettings)
        done = unchanged(run, PREALIGNED) or run.refresh_planned(planned_prealignments(run, settings), PREALIGNED)
        return run.finish(
            done,
            PREALIGNED,
            {"set_aside": set_aside_table(done.columns("status", "reason"))},
            partial(_pictures, run, done),
            [no_folds(done.columns("status", "folded_share"))],
        )


def no_folds(rows: list[Row]) -> dg.AssetCheckResult:
    """Check that the fields of a stage fold at no pixel inside the reference lungs."""
    worst = max((row["folded_share"] for row in rows if row["status"] == "ok"), default=0.0)
    return dg.AssetCheckResult(
        check_name="no_folds",
        passed=worst == 0.0,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"largest_folded_share": worst},
    )


def _pictures(run: StageRun, done: Brought) -> dict[str, bytes]:
    radiographs = run.ok_table("radiographs", run.partition, STORED)
    masks = run.ok_table("lung_masks", run.partition, MASK_COLUMNS)
    reference = read_artifact(run.store, run.model("reference_lung"))
    rows = sorted((row for row in done.rows if row["status"] == "ok"), key=lambda row: row["radiograph_id"])[:40]
    if not rows:
        return {}
    names = [row["radiograph_id"] for row in rows]
    chosen = [row_of(masks, name) for name in names]
    before = [windowed(run, row_of(radiographs, name), mask) for name, mask in zip(names, chosen, strict=True)]
    after = [from_uint16(read_artifact(run.store, row)["image"]) for row in rows]
    sheet = alignment_sheet(
        before[:SHEET_ROWS],
        [read_artifact(run.store, mask)["lungs"] for mask in chosen[:SHEET_ROWS]],
        after[:SHEET_ROWS],
        reference["lungs"],
        from_uint16(reference["image"]),
        [name[:6] for name in names[:SHEET_ROWS]],
    )
    return {
        "alignment": to_png(sheet, PICTURE_BYTES),
        "mean_image": to_png(mean_image_sheet(before, after), PICTURE_BYTES),
    }
