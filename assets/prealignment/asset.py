"""The reference lung, and IT-PR: every lung moved to the reference in closed form, without training."""

from functools import partial

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.images import F32, from_uint16, to_uint16
from assets.pairing.frames import Row
from assets.pictures import outline, to_png
from assets.prealignment.lung_coordinates import ReferenceFrame, prealign, reference_frame
from assets.prealignment.mean_shape import mean_radiograph, mean_shape
from assets.prealignment.preview import alignment_sheet, mean_image_sheet
from assets.prealignment.reference_lung import medoid
from assets.prealignment.settings import PrealignmentSettings, ReferenceSettings
from assets.prealignment.warp import quantize, warp_image, warp_lungs
from assets.radiographs.photometric import apply_window
from assets.registration.folds import folded_share
from assets.segmentation.quality import dice
from assets.tables.alignment import PREALIGNED, REFERENCE_LUNG
from assets.tables.common import CARRIED
from resources.arrays import Arrays
from resources.borrowed import borrowed_model
from resources.dagster_shapes import PICTURE_BYTES, column_schema, set_aside_table
from resources.fitted import FittedModel, keep_or_fit
from resources.incremental import Outcome, Refreshed, row_keys
from resources.manifests import read_artifact
from resources.partitions import COHORTS, SHARDS, SHARDS_BY_COHORT, all_shards_of, cohort_model
from resources.planned import Brought, Planned, once, row_at, row_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.stage_settings import recipe
from resources.unchanged import unchanged

REFERENCE_VERSION = "2"
PREALIGNMENT_VERSION = "2"
SHEET_ROWS = 6
# What makes a radiograph's pixels, and its lungs and their window, readable.
STORED = ("radiograph_id", "artifact", "artifact_digest")
MASK_COLUMNS = (*CARRIED, "key", "artifact", "artifact_digest", "window_low", "window_high")


def windowed(run: StageRun, radiograph: Row, lungs: Row) -> F32:
    """A radiograph's image through the window of its lungs."""
    image = from_uint16(read_artifact(run.store, radiograph)["image"])
    return apply_window(image, lungs["window_low"], lungs["window_high"])


def _fit_reference(
    run: StageRun, candidates: list[Row], radiographs: pa.Table, settings: ReferenceSettings, _key: str
) -> Outcome:
    masks = [read_artifact(run.store, row)["lungs"] for row in candidates]
    columns = {"kind": settings.kind, "radiograph_id": None, "candidates": len(candidates)}
    if settings.kind == "medoid":
        index = medoid(masks)
        chosen, lungs = candidates[index], masks[index]
        image = windowed(run, row_of(radiographs, chosen["radiograph_id"]), chosen)
        columns["radiograph_id"] = chosen["radiograph_id"]
    else:
        symmetric = settings.kind == "symmetric"
        lungs = mean_shape(masks, symmetric)
        images = (windowed(run, row_of(radiographs, row["radiograph_id"]), row) for row in candidates)
        image = mean_radiograph(lungs, zip(images, masks, strict=True), symmetric)
    return Outcome(columns, {"lungs": lungs, "image": to_uint16(image)})


def _reference(run: StageRun, settings: ReferenceSettings) -> FittedModel:
    radiographs = run.ok_table("radiographs", columns=STORED)
    masks = run.ok_table("lung_masks", columns=MASK_COLUMNS)
    normal = pc.and_(pc.equal(masks["split"], "train"), pc.equal(masks["domain"], "normal"))
    present = masks.filter(normal).sort_by("radiograph_id")
    chosen = present.slice(0, settings.candidates).to_pylist()
    if not chosen:
        raise dg.Failure(
            f"{run.cohort}: no normal training radiograph has a usable lung mask, so nothing can be the reference; "
            "declare normal_labels, or look at the set-aside rows of lung_masks",
            allow_retries=False,
        )
    return keep_or_fit(
        run.store,
        run.place,
        # Asking for a new fit is no other way of fitting.
        recipe(run, settings.model_copy(update={"refit": False}), [], without=["borrow_from"]),
        [row["key"] for row in chosen],
        partial(_fit_reference, run, chosen, radiographs, settings),
        present=present["key"].to_pylist(),
        refit=settings.refit,
    )


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
        model = borrowed_model(run, lender, SHARDS_BY_COHORT) if lender else _reference(run, settings)
        run.settings_used["refit"] = False
        done = Refreshed([model.row], int(model.computed), int(not model.computed), 0, 0.0)
        return run.finish(done, REFERENCE_LUNG, {"decision": model.why}, partial(_reference_picture, model.arrays))


def _reference_picture(arrays: Arrays) -> dict[str, bytes]:
    return {"reference": to_png(outline(from_uint16(arrays["image"]), arrays["lungs"]), PICTURE_BYTES)}


def _outcome(
    run: StageRun, frame: ReferenceFrame, radiograph: Row, mask: Row, settings: PrealignmentSettings
) -> Outcome:
    lungs = read_artifact(run.store, mask)["lungs"]
    displacement = prealign(frame, lungs, settings)
    warped = warp_lungs(lungs, displacement)
    inside = frame.lungs > 0
    columns = {
        "dice_reference": dice(warped, frame.lungs),
        "folded_share": folded_share(displacement, inside),
        "mean_shift": float(np.mean(np.hypot(*displacement)[inside])),
    }
    arrays: Arrays = {
        "displacement": quantize(displacement),
        "image": to_uint16(warp_image(windowed(run, radiograph, mask), displacement)),
        "lungs": warped,
    }
    lesion = read_artifact(run.store, radiograph).get("lesion")
    if lesion is not None:
        arrays["lesion"] = warp_lungs((lesion > 0).astype(np.uint8), displacement)
    return Outcome(columns, arrays)


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


def planned_prealignments(run: StageRun, settings: PrealignmentSettings) -> Planned:
    """The rows that a shard is to have, by what its masks and its cohort's reference are now."""
    radiographs = run.ok_table("radiographs", run.partition, STORED)
    masks = run.ok_table("lung_masks", run.partition, MASK_COLUMNS)
    reference = run.model("reference_lung")
    shared = once(
        lambda: reference_frame(read_artifact(run.store, reference)["lungs"], settings),
        f"{run.cohort}: the reference cannot be used; look at its picture and at the settings of {run.stage}",
    )

    def work(position: int) -> Outcome:
        mask = row_at(masks, position)
        return _outcome(run, shared(), row_of(radiographs, mask["radiograph_id"]), mask, settings)

    return Planned(
        row_keys(run.stage, run.version, settings.model_dump(), [masks["key"].to_pylist(), reference["key"]]),
        masks.select(CARRIED),
        work,
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
