"""How much sharper the mean of the same radiographs is after one arm than after another."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from assets.registration_report.settings import ReportSettings
from assets.registration_report.sharpness import sharpness_gain

F32 = npt.NDArray[np.float32]
_MARGIN = 8 / 256


def around_lungs(lungs: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """The lungs (H, W) and 1/32 of the height around them: where mean images are compared."""
    radius = round(_MARGIN * lungs.shape[0])
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    return np.asarray(cv2.dilate((lungs > 0).astype(np.uint8), disk)) > 0


def gain_lines(
    of: str,
    compared: Sequence[tuple[str, str]],
    images: Mapping[str, Sequence[F32]],
    reference_lungs: npt.NDArray[np.uint8],
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
