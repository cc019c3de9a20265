"""Lesion boxes of a radiograph, carried from its canvas into the reference frame without a network."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.prealignment.field_inverse import solve
from assets.prealignment.lung_coordinates import ReferenceFrame, prealign_points
from assets.prealignment.travel import carry_points, enclosing_boxes
from assets.registration.inference import velocity_displacement
from assets.registration.roughness import no_rougher
from assets.registration.settings import RegistrationSettings

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Registration:
    """What carries the boxes of a cohort's radiographs.

    Attributes:
        frame: of the reference lungs, with the settings of IT-PR.
        settings: of the registration model's training.
        roughness: usual one of that training's pre-alignments, px: median and limit.
    """

    frame: ReferenceFrame
    settings: RegistrationSettings
    roughness: tuple[float, float]


def boxes_in_frame(
    known: Registration, lungs: U8, prealigned: F32, velocity: npt.NDArray[np.float16], boxes: Floats
) -> Floats:
    """Boxes of the canvas in the reference frame after IT-DPR: the smallest ones around the carried outlines.

    Args:
        known: reference and registration of the cohort.
        lungs: uint8 (H, W) of the radiograph.
        prealigned: its displacement by IT-PR, float32 (2, H, W), px.
        velocity: its stored velocity, float16 (2, H / 2, W / 2).
        boxes: (K, 4), columns x, y, width, height, canvas px.

    Returns:
        float64 (K, 4), px of the reference frame; never smaller than the carried outline.

    Raises:
        ValueError: a lung is missing, or the boxes are no boxes.
    """
    return enclosing_boxes(boxes, lambda points: points_in_frame(known, lungs, prealigned, velocity, points))


def points_in_frame(
    known: Registration, lungs: U8, prealigned: F32, velocity: npt.NDArray[np.float16], points: Floats
) -> Floats:
    """Points of the canvas, (K, 2), columns (x, y), px, in the reference frame after IT-DPR; see `boxes_in_frame`."""
    height, width = lungs.shape
    back = velocity_displacement(-velocity, (height, width), known.settings.integration_steps)
    return carry_points(back, _prealigned(known, lungs, prealigned, points))


def _prealigned(known: Registration, lungs: U8, displacement: F32, points: Floats) -> Floats:
    if known.settings.reading == "R1":
        # R1 replaces IT-PR, the others are composed with it.
        return points
    start = no_rougher(displacement, known.frame.lungs > 0, known.roughness)
    if start is displacement:
        return prealign_points(known.frame, lungs, points, known.frame.settings)
    # A smoothed map has no closed form any more.
    return solve(start, points)
