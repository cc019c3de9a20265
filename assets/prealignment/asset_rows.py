"""A shard's radiographs by IT-PR."""

import numpy as np

from assets.images import to_uint16
from assets.pairing.frames import Row
from assets.prealignment.asset_stored import MASK_COLUMNS, STORED, windowed
from assets.prealignment.lung_coordinates import ReferenceFrame, prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize, warp_image, warp_lungs
from assets.registration.folds import folded_share
from assets.segmentation.quality import dice
from assets.tables.common import CARRIED
from resources.arrays import Arrays
from resources.incremental import Outcome, row_keys
from resources.manifests import read_artifact
from resources.planned import Planned, once, row_at, row_of
from resources.stage_run import StageRun


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
