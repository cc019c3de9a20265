"""IT-DPR: a deformable refinement learned only from an image and its own pre-aligned copy."""

from functools import partial

import dagster as dg
import pyarrow.compute as pc

from assets.images import from_uint16
from assets.pictures import to_png
from assets.prealignment.asset import no_folds
from assets.prealignment.asset_stored import STORED
from assets.prealignment.preview import mean_image_sheet
from assets.prealignment.warp import dequantize
from assets.registration.asset_fit import trained
from assets.registration.asset_rows import Bound, bound_network, planned_registrations
from assets.registration.folds import folded
from assets.registration.inference import registered_displacement, starting_map
from assets.registration.preview import field_sheet, loss_curve
from assets.registration.settings import RefinementSettings, RegistrationSettings
from assets.tables.alignment import REGISTERED, REGISTRATION_MODEL
from resources.accelerator import Accelerator
from resources.borrowed import borrowed_model
from resources.checkpoint_store import CheckpointStore
from resources.dagster_shapes import PICTURE_BYTES, checked, column_schema, set_aside_table
from resources.fitted import FittedModel, keep_or_fit
from resources.incremental import Refreshed
from resources.manifests import read_artifact
from resources.partitions import COHORTS, SHARDS, SHARDS_BY_COHORT, all_shards_of, cohort_model
from resources.planned import Brought, row_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.stage_settings import recipe
from resources.unchanged import unchanged

MODEL_VERSION = "3"
REGISTRATION_VERSION = "3"


@dg.asset(
    partitions_def=COHORTS,
    deps=[
        all_shards_of("radiographs"),
        all_shards_of("lung_masks"),
        "reference_lung",
        all_shards_of("prealigned_radiographs"),
    ],
    group_name="registration",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=MODEL_VERSION,
    config_schema=config_schema(RegistrationSettings),
    metadata=column_schema(REGISTRATION_MODEL),
    pool="training",
)
def registration_model(
    context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """The IT-DPR network of a cohort, trained without labels and kept until its basis changes, or another cohort's."""
    with stage_run(context, store, MODEL_VERSION) as run:
        settings = run.settings(RegistrationSettings)
        if settings.borrow_from:
            return _finished(run, borrowed_model(run, settings.borrow_from, SHARDS_BY_COHORT))
        reference = run.model("reference_lung")
        if settings.reading == "R2" and reference["kind"] != "medoid":
            raise dg.Failure(
                f"{run.cohort}: registration_model.reading R2 compares with the reference's radiograph; one "
                f"of kind {reference['kind']} has none: set reference_lung.kind to medoid, or another reading",
                allow_retries=False,
            )
        prealigned = run.ok_table("prealigned_radiographs", columns=[*STORED, "key", "split"])
        rows = prealigned.filter(pc.equal(prealigned["split"], "train")).sort_by("radiograph_id").to_pylist()
        reference_arrays = read_artifact(run.store, reference)
        model = keep_or_fit(
            run.store,
            run.place,
            recipe(run, settings, [reference["key"]], without=["borrow_from"]),
            [row["key"] for row in rows],
            partial(trained, run, rows, reference_arrays, settings, accelerator.torch_device()),
        )
        CheckpointStore(run.store, model.row["key"]).clear()
        return _finished(run, model)


def _finished(run: StageRun, model: FittedModel) -> dg.MaterializeResult:  # type: ignore[type-arg]
    names = model.row["history_columns"]
    history = [dict(zip(names, map(float, entry), strict=True)) for entry in model.arrays["history"]]
    done = Refreshed([model.row], int(model.computed), int(not model.computed), 0, 0.0)
    return run.finish(
        done,
        REGISTRATION_MODEL,
        {"decision": model.why},
        lambda: {"loss": to_png(loss_curve(history), PICTURE_BYTES)},
    )


@dg.asset(
    partitions_def=SHARDS,
    deps=[
        "radiographs",
        "lung_masks",
        cohort_model("reference_lung"),
        "prealigned_radiographs",
        cohort_model("registration_model"),
    ],
    group_name="registration",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=REGISTRATION_VERSION,
    config_schema=config_schema(RefinementSettings),
    metadata=column_schema(REGISTERED),
    check_specs=[
        dg.AssetCheckSpec("no_folds", asset="registered_radiographs", description="IT-DPR folds no lung"),
        dg.AssetCheckSpec(
            "lungs_registered", asset="registered_radiographs", description="Few lungs miss the reference"
        ),
    ],
)
def registered_radiographs(
    context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Every radiograph in the reference frame after IT-DPR; its velocity is stored, so the inverse is free."""
    with stage_run(context, store, REGISTRATION_VERSION) as run:
        settings = run.settings(RefinementSettings)
        device = accelerator.torch_device()
        bound = bound_network(run, settings, device)
        planned = partial(planned_registrations, run, settings, bound)
        done = unchanged(run, REGISTERED) or run.refresh_planned(planned(), REGISTERED)
        return run.finish(
            done,
            REGISTERED,
            {"set_aside": set_aside_table(done.columns("status", "reason"))},
            partial(_pictures, run, done, bound),
            [
                no_folds(done.columns("status", "folded_share")),
                checked("lungs_registered", done.columns("status"), settings.share_set_aside),
            ],
        )


def _pictures(run: StageRun, done: Brought, bound: Bound) -> dict[str, bytes]:
    prealigned = run.ok_table("prealigned_radiographs", run.partition, STORED)
    chosen = sorted((row for row in done.rows if row["status"] == "ok"), key=lambda row: row["radiograph_id"])[:40]
    if not chosen:
        return {}
    stored = [read_artifact(run.store, row) for row in chosen]
    after = [from_uint16(arrays["image"]) for arrays in stored]
    earlier = [read_artifact(run.store, row_of(prealigned, row["radiograph_id"])) for row in chosen]
    before = [from_uint16(arrays["image"]) for arrays in earlier]
    start = dequantize(earlier[0]["displacement"])
    ready, _ = bound()
    field = registered_displacement(stored[0]["velocity"], starting_map(ready, start), ready.settings)
    return {
        "field": to_png(field_sheet(after[0], field, folded(field)), PICTURE_BYTES),
        "mean_image": to_png(mean_image_sheet(before, after), PICTURE_BYTES),
    }
