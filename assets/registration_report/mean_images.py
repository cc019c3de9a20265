"""How much sharper the mean of the same radiographs is after one arm than after another."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from assets.alignments import Alignment
from assets.pairing.frames import FrameRows, Read, frame
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.warp import warp_image
from assets.registration_report.registrations import Registrations, case_of, one_a_patient
from assets.registration_report.settings import ReportSettings
from assets.registration_report.sharpness import sharpness_gain

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
_MARGIN = 8 / 256

# Which radiographs a mean image is of.
ALL, UNSEEN, MEASURED = "all normals", "normals not trained on", "measured normals"
# Frames that the stages before the report have stored of every radiograph: an arm, and what it is compared with.
FRAMES: tuple[Alignment, ...] = ("none", "lung_box", "it_pr", "it_dpr")
COMPARED = (
    ("lung_box", "none"),
    ("it_pr", "none"),
    ("it_dpr", "none"),
    ("it_pr", "lung_box"),
    ("it_dpr", "it_pr"),
)
# The lungs' box is of the same scale as what follows it; none is not, and a change of scale alone changes sharpness.
SHARPER = (("it_pr", "lung_box"), ("it_dpr", "it_pr"))


def stored_normals(joined: Mapping[str, FrameRows], at_most: int) -> dict[str, list[FrameRows]]:
    """Normal radiographs whose frames are stored, one a patient: all of them, and those not trained on."""
    ids = one_a_patient([rows.radiograph for rows in joined.values()])
    unseen = [name for name in ids if joined[name].radiograph["split"] != "train"]
    return {of: [joined[name] for name in chosen[:at_most]] for of, chosen in ((ALL, ids), (UNSEEN, unseen))}


def stored_lines(
    normals: Mapping[str, Sequence[FrameRows]], reference_lungs: U8, read: Read, settings: ReportSettings
) -> list[dict[str, Any]]:
    """`gain_lines` of the stored frames, for each group of `stored_normals`."""
    lines = []
    for of, rows in normals.items():
        images: dict[str, list[F32]] = {
            name: [frame(name, each, reference_lungs, read).image for each in rows] for name in FRAMES
        }
        lines += gain_lines(of, COMPARED, images, reference_lungs, settings)
    return lines


def measured_lines(done: Registrations, reference_lungs: U8, settings: ReportSettings) -> list[dict[str, Any]]:
    """`gain_lines` of every measured arm over the lungs' box, which need not be one of them."""
    ids = done.normals()
    cases = [case_of(done.radiographs[name], done.read) for name in ids]
    boxed = [warp_image(case.image, lung_box_displacement(reference_lungs, case.lungs)) for case in cases]
    images = {**done.warped(ids), "lung_box": boxed}
    over_box = [(arm, "lung_box") for arm in done.arms if arm not in ("none", "lung_box")]
    return gain_lines(MEASURED, over_box, images, reference_lungs, settings)


def gain_columns(arm: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    """The report's columns of an arm: its gain over the lungs' box; None for `none` and for the box itself."""
    gain = next((line for line in lines if (line["of"], line["arm"]) == (MEASURED, arm)), {})
    names = {"sharpness": "ratio", "sharpness_low": "low", "sharpness_high": "high"}
    # None, too, must replace what a reused row holds from an earlier report
    return {column: gain.get(name) for column, name in names.items()}


def around_lungs(lungs: U8) -> npt.NDArray[np.bool_]:
    """The lungs (H, W) and 1/32 of the height around them: where mean images are compared."""
    radius = round(_MARGIN * lungs.shape[0])
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate((lungs > 0).astype(np.uint8), disk)) > 0


def gain_lines(
    of: str,
    compared: Sequence[tuple[str, str]],
    images: Mapping[str, Sequence[F32]],
    reference_lungs: U8,
    settings: ReportSettings,
) -> list[dict[str, Any]]:
    """`sharpness_gain` of arms over others around the reference's lungs, as lines of a table.

    Args:
        of: which radiographs these are, for the table.
        compared: (the arm that should be sharper, the one that it is compared with).
        images: arm -> images (H, W) of the same radiographs in the same order, one a patient.
        reference_lungs: (H, W) labels.
        settings: of the bootstrap; every line draws the same radiographs.

    Returns:
        `of`, `arm`, `over`, `images` and the gain's `ratio`, `low`, `high`; no line of fewer than two images.
    """
    if min((len(each) for each in images.values()), default=0) < 2:
        return []
    region = around_lungs(reference_lungs)
    stacks = {arm: np.stack(list(each)) for arm, each in images.items()}
    lines = []
    for arm, over in compared:
        rng = np.random.default_rng(settings.bootstrap_seed)
        gain = sharpness_gain(stacks[over], stacks[arm], region, settings.resamples, rng)
        lines.append({"of": of, "arm": arm, "over": over, "images": len(stacks[arm]), **asdict(gain)})
    return lines
