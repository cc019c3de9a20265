"""IT-DPR: a deformable refinement learned only from an image and its own pre-aligned copy."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import torch

from assets.images import from_uint16, to_uint16
from assets.pairing.frames import U8, Row
from assets.pictures import to_png
from assets.prealignment.asset import MASK_COLUMNS, STORED, no_folds, windowed
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.preview import mean_image_sheet
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import dequantize, warp_image, warp_lungs
from assets.registration.damaged_copies import damaged_displacements
from assets.registration.folds import folded, folded_share
from assets.registration.inference import Refiner, refine, refiner, registered_displacement, starting_map
from assets.registration.preview import field_sheet, loss_curve
from assets.registration.settings import RefinementSettings, RegistrationSettings
from assets.registration.training import fit
from assets.segmentation.quality import dice
from assets.tables.alignment import REGISTERED, REGISTRATION_MODEL
from assets.tables.common import CARRIED
from resources.accelerator import Accelerator
from resources.arrays import Arrays
from resources.borrowed import borrowed_model
from resources.checkpoint_store import CheckpointStore
from resources.dagster_shapes import PICTURE_BYTES, checked, column_schema, set_aside_table
from resources.fitted import FittedModel, keep_or_fit
from resources.incremental import Outcome, Refreshed, row_keys
from resources.manifests import read_artifact
from resources.partitions import COHORTS, SHARDS, SHARDS_BY_COHORT, all_shards_of, cohort_model
from resources.planned import Brought, Planned, once, row_at, row_of
from resources.progress import training_progress
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.stage_settings import recipe, upstream_settings
from resources.unchanged import unchanged

MODEL_VERSION = "3"
REGISTRATION_VERSION = "3"
WEIGHT = "network."
# A network ready for use, and the labelled lungs (H, W) of its reference.
Bound = Callable[[], tuple[Refiner, U8]]


def _fit(
    run: StageRun, rows: list[Row], reference: Arrays, settings: RegistrationSettings, device: torch.device, key: str
) -> Outcome:
    radiographs = {row["radiograph_id"]: row for row in run.ok("radiographs", columns=STORED)}
    masks = {row["radiograph_id"]: row for row in run.ok("lung_masks", columns=MASK_COLUMNS)}
    checkpoints = CheckpointStore(run.store, key)
    ids = [row["radiograph_id"] for row in rows]
    speak = training_progress(run.progress, "IT-DPR")
    lungs = np.stack([read_artifact(run.store, masks[name])["lungs"] for name in ids])
    fitted = fit(
        np.stack([windowed(run, radiographs[name], masks[name]) for name in ids]),
        lungs,
        np.stack([dequantize(read_artifact(run.store, row)["displacement"]) for row in rows]),
        reference["lungs"],
        settings,
        settings.seed,
        damaged=_damaged(run, reference["lungs"], lungs, settings),
        device=device,
        progress=lambda step, losses: speak(step, settings.steps, losses),
        resume=checkpoints.load(),
        checkpoint=checkpoints.save,
    )
    names = list(fitted.history[0])
    history = np.array([[entry[name] for name in names] for entry in fitted.history], dtype=np.float32)
    arrays = {WEIGHT + name: value.detach().cpu().numpy() for name, value in fitted.state.items()}
    columns: dict[str, Any] = {
        "trained_on": len(rows),
        "steps": settings.steps,
        "final_loss": fitted.history[-1]["loss"],
        "roughness_typical": fitted.roughness[0],
        "roughness_limit": fitted.roughness[1],
    }
    columns |= {"settings": settings.model_dump_json(), "history_columns": names}
    return Outcome(columns, {**arrays, "history": history})


def _damaged(run: StageRun, reference: U8, lungs: U8, settings: RegistrationSettings) -> npt.NDArray[np.float16] | None:
    """IT-PR of every training radiograph by damaged masks, in the mode that its own was made in."""
    if settings.reading == "R1" or settings.damaged == 0:
        return None
    chosen = upstream_settings(run, "prealigned_radiographs", PrealignmentSettings)
    frame = reference_frame(reference, chosen)
    rng = np.random.default_rng(settings.seed)
    return np.stack([damaged_displacements(frame, mask, settings.damaged_copies, chosen, rng) for mask in lungs])


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
            partial(_fit, run, rows, reference_arrays, settings, accelerator.torch_device()),
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


def trained_refiner(
    model: Row,
    weights: Arrays,
    reference: Row,
    reference_arrays: Arrays,
    refinement: RefinementSettings,
    device: torch.device,
) -> Refiner:
    """The network of a `registration_model` row, ready for the radiographs of its cohort.

    Args:
        model: the manifest's row.
        weights: its arrays.
        reference: row of `reference_lung`; a mean shape has no radiograph that could anchor the frame.
        reference_arrays: its arrays.
        refinement: how the network is used.
        device: where the network is to run.
    """
    state = {name[len(WEIGHT) :]: torch.from_numpy(value) for name, value in weights.items() if name.startswith(WEIGHT)}
    image = from_uint16(reference_arrays["image"]) if reference["kind"] == "medoid" else None
    settings = RegistrationSettings.model_validate_json(model["settings"])
    usual = model["roughness_typical"], model["roughness_limit"]
    return refiner(state, settings, image, reference_arrays["lungs"], refinement, device, roughness=usual)


def _refined(run: StageRun, bound: Bound, rows: tuple[Row, Row, Row], settings: RefinementSettings) -> Outcome:
    ready, reference = bound()
    radiograph, mask, prealigned = rows
    lungs = read_artifact(run.store, mask)["lungs"]
    image = windowed(run, radiograph, mask)
    start = starting_map(ready, dequantize(read_artifact(run.store, prealigned)["displacement"]))
    velocity = refine(ready, image, lungs, start)
    displacement = registered_displacement(velocity, start, ready.settings)
    warped = warp_lungs(lungs, displacement)
    inside = reference > 0
    overlap = dice(warped, reference)
    columns = {
        "dice_reference": overlap,
        "folded_share": folded_share(displacement, inside),
        "mean_shift": float(np.mean(np.hypot(*displacement)[inside])),
    }
    arrays: Arrays = {"velocity": velocity, "image": to_uint16(warp_image(image, displacement)), "lungs": warped}
    lesion = read_artifact(run.store, radiograph).get("lesion")
    if lesion is not None:
        arrays["lesion"] = warp_lungs((lesion > 0).astype(np.uint8), displacement)
    if overlap < settings.smallest_dice:
        reason = f"registered lungs overlap the reference's by Dice {overlap:.2f}; look at its mask"
        return Outcome(columns, arrays, "needs_review", reason)
    return Outcome(columns, arrays)


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


def bound_network(run: StageRun, settings: RefinementSettings, device: torch.device) -> Bound:
    """The cohort's network, bound to its reference where there is a radiograph to register: that takes a second."""

    def build() -> tuple[Refiner, U8]:
        reference, model = run.model("reference_lung"), run.model("registration_model")
        arrays, weights = read_artifact(run.store, reference), read_artifact(run.store, model)
        return trained_refiner(model, weights, reference, arrays, settings, device), arrays["lungs"]

    what = (
        f"{run.cohort}: the registration network cannot be used; delete its artefact and run registration_model again"
    )
    return once(build, what)


def planned_registrations(run: StageRun, settings: RefinementSettings, bound: Bound) -> Planned:
    """The rows that a shard is to have, by what its pre-alignments and its cohort's network are now."""
    radiographs = run.ok_table("radiographs", run.partition, STORED)
    masks = run.ok_table("lung_masks", run.partition, MASK_COLUMNS)
    prealigned = run.ok_table("prealigned_radiographs", run.partition, [*CARRIED, "key", "artifact", "artifact_digest"])
    run.model("reference_lung")
    model = run.model("registration_model")
    decisive = settings.model_dump(exclude={"share_set_aside"})
    inputs = [prealigned["key"].to_pylist(), model["key"], model["artifact_digest"]]

    def work(position: int) -> Outcome:
        row = row_at(prealigned, position)
        name = row["radiograph_id"]
        return _refined(run, bound, (row_of(radiographs, name), row_of(masks, name), row), settings)

    return Planned(row_keys(run.stage, run.version, decisive, inputs), prealigned.select(CARRIED), work)


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
