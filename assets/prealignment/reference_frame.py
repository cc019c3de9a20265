"""The reference lungs prepared for IT-PR, and the lungs of a radiograph measured to match them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.prealignment.arc_outline import arc_outline
from assets.prealignment.harmonic import ArcOutlines, HarmonicMap, harmonic_map
from assets.prealignment.lung_outline import LungOutline, box_outline, row_outline
from assets.prealignment.lung_tilt import Patch, PosedLungs, posed_lungs, rotate_patch
from assets.prealignment.row_map import Outlines, RowMap, row_map
from assets.prealignment.settings import PrealignmentSettings

U8 = npt.NDArray[np.uint8]

_TILTED = ("rows_tilt", "harmonic")


@dataclass(frozen=True)
class ReferenceFrame:
    """What depends on the reference lungs only; built by `reference_frame`.

    Attributes:
        lungs: uint8 (H, W), labels.
        settings: that it was built with.
        tilt: of the reference lungs, radians.
        map: what the mode keeps of them.
    """

    lungs: U8
    settings: PrealignmentSettings
    tilt: float
    map: RowMap | HarmonicMap


def reference_frame(lungs: U8, settings: PrealignmentSettings) -> ReferenceFrame:
    """Prepare the frame of the reference lungs (H, W), labels 1 = patient-right, 2 = patient-left.

    Raises:
        ValueError: a lung is missing.
    """
    posed = posed_lungs(lungs)
    if settings.mode == "harmonic":
        height, width = lungs.shape
        return ReferenceFrame(lungs, settings, posed.tilt, harmonic_map((height, width), arc_outlines(posed, settings)))
    return ReferenceFrame(lungs, settings, posed.tilt, row_map(lungs, row_outlines(posed, settings), settings))


def moving_lungs(frame: ReferenceFrame, lungs: U8, settings: PrealignmentSettings) -> PosedLungs:
    """The lungs of a radiograph with the rotation that brings them to the reference's tilt.

    Raises:
        ValueError: a lung is missing, or the frame was built with other settings.
    """
    if settings != frame.settings:
        raise ValueError(
            f"settings: expected those of the reference frame ({frame.settings}), got {settings}; rebuild the frame"
        )
    tilt = frame.tilt if settings.mode in _TILTED else None
    return posed_lungs(lungs, tilt, float(np.deg2rad(settings.tilt_limit_degrees)))


def row_outlines(posed: PosedLungs, settings: PrealignmentSettings) -> Outlines:
    """Outlines of both lungs by rows, or their boxes, measured upright."""
    return {label: _row_outline(patch, posed, settings) for label, patch in posed.patches.items()}


def arc_outlines(posed: PosedLungs, settings: PrealignmentSettings) -> ArcOutlines:
    """Outlines of both lungs by arc length, in image coordinates."""
    smoothing = settings.row_smoothing * posed.height
    return {label: arc_outline(patch, label, posed.upright, smoothing) for label, patch in posed.patches.items()}


def _row_outline(patch: Patch, posed: PosedLungs, settings: PrealignmentSettings) -> LungOutline:
    soft, origin = rotate_patch(*patch, posed.upright) if posed.upright.angle != 0 else patch
    if settings.mode == "box":
        return box_outline(soft, origin)
    return row_outline(soft, origin, settings.row_smoothing * posed.height, settings)
