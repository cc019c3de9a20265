"""A shard's radiographs through the network of its cohort."""

from collections.abc import Callable

import numpy as np
import torch

from assets.images import from_uint16, to_uint16
from assets.pairing.frames import U8, Row
from assets.prealignment.asset_stored import MASK_COLUMNS, STORED, windowed
from assets.prealignment.warp import dequantize, warp_image, warp_lungs
from assets.registration.asset_fit import WEIGHT
from assets.registration.folds import folded_share
from assets.registration.inference import Refiner, refine, refiner, registered_displacement, starting_map
from assets.registration.settings import RefinementSettings, RegistrationSettings
from assets.segmentation.quality import dice
from assets.tables.common import CARRIED
from resources.arrays import Arrays
from resources.incremental import Outcome, row_keys
from resources.manifests import read_artifact
from resources.planned import Planned, once, row_at, row_of
from resources.stage_run import StageRun

# A network ready for use, and the labelled lungs (H, W) of its reference.
Bound = Callable[[], tuple[Refiner, U8]]


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
