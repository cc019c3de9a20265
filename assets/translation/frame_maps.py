"""The map that brings a radiograph into a frame, made again from what the stages stored."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.alignments import Alignment, is_peer
from assets.pairing.frames import FrameRows, Read
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.warp import dequantize, warp_image
from assets.radiographs.photometric import apply_window
from assets.registration.inference import registered_displacement
from assets.registration.roughness import no_rougher
from assets.registration.settings import RegistrationSettings

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Registration:
    """What IT-DPR's stored velocities are read with.

    Attributes:
        settings: those of the registration model's training.
        roughness: usual one of that training's pre-alignments, px: median and limit.
    """

    settings: RegistrationSettings
    roughness: tuple[float, float]


def frame_displacement(
    alignment: Alignment, rows: FrameRows, reference_lungs: U8, read: Read, registration: Registration
) -> F32 | None:
    """Backward map (2, H, W), px, frame -> canvas of a radiograph; None where the canvas is the frame.

    Args:
        alignment: which frame.
        rows: the radiograph's manifest rows.
        reference_lungs: (H, W) lungs of the cohort's reference.
        read: fetches a row's arrays.
        registration: of the cohort; only IT-DPR looks at it.
    """
    if alignment == "none":
        return None
    if is_peer(alignment):
        return dequantize(read(rows.peers[alignment])["displacement"])
    if alignment == "lung_box":
        return lung_box_displacement(reference_lungs, read(rows.lungs)["lungs"])
    prealigned = dequantize(read(rows.prealigned)["displacement"])
    if alignment == "it_pr":
        return prealigned
    settings = registration.settings
    if settings.reading != "R1":
        # R1 replaces IT-PR, the others start from it, smoothed if it is unusually rough.
        prealigned = no_rougher(prealigned, reference_lungs > 0, registration.roughness)
    return registered_displacement(read(rows.registered)["velocity"], prealigned, settings)


def carried_difference(first: F32, second: F32, window: tuple[float, float], displacement: F32 | None) -> F32:
    """First less second image (H, W) in [0, 1] of one radiograph, as it appears in a frame.

    Args:
        first: as it lies on the canvas.
        second: likewise.
        window: of the radiograph's lungs.
        displacement: from `frame_displacement`.
    """
    difference = apply_window(first, *window) - apply_window(second, *window)
    return difference if displacement is None else warp_image(difference, displacement)
