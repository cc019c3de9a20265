"""Left and right lung exchanged in the reference frame, so that a lesion's side carries no weight in a training.

A point of one lung at lung coordinates (u, v), u from the image's left to its right border, takes what lies in the
other lung at (1 - u, v): what is medial stays medial. That is the reference seen in a mirror and mapped back onto the
reference by its own lung coordinates, so no map is written here that IT-PR does not have. Between and around the lungs
the map goes on smoothly, and what is shown there is the mirror image of the surroundings.

The heart makes a left lung unlike a right one. The exchange is for training alone, and for both domains alike.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from assets.pairing.frames import Frame
from assets.pictures import fitted_labels
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.travel import carry_boxes
from assets.prealignment.warp import warp_image, warp_lungs

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

# Rows of a lung stay rows of a lung: with a tilt the mirror's would cross them.
_ROWS = PrealignmentSettings(mode="rows")


@dataclass(frozen=True)
class LungSwap:
    """The exchange of a frame's lungs; one for each reference.

    Attributes:
        displacement: backward field, float32 (2, H, W), px, channel 0 = x: ``swapped(p) = image(p + u(p))``. In the
            lungs it undoes itself.
        lungs: uint8 (H, W), labels of the reference. Nothing else is lung after an exchange: where one base reaches
            deeper than the other, the field shows lung below the diaphragm.
    """

    displacement: F32
    lungs: U8


def lung_swap(reference_lungs: U8) -> LungSwap:
    """The exchange in the frame of the reference lungs, uint8 (H, W), labels 1 = patient-right, 2 = patient-left.

    Raises:
        ValueError: a lung is missing.
    """
    mirrored = _exchanged(np.ascontiguousarray(reference_lungs[:, ::-1]))
    field = prealign(reference_frame(reference_lungs, _ROWS), mirrored, _ROWS)
    width = reference_lungs.shape[1]
    # What lies at x in the mirror lies at width - 1 - x in the image.
    across = width - 1 - 2 * np.arange(width, dtype=np.float32) - field[0]
    return LungSwap(np.stack([across, field[1]]).astype(np.float32), reference_lungs)


def swapped(frame: Frame, swap: LungSwap) -> Frame:
    """Image, lungs and lesion mask of a radiograph in the frame, its lungs exchanged."""
    lesion = frame.lesion
    moved = None if lesion is None else warp_lungs(lesion.astype(np.uint8), swap.displacement) > 0
    return Frame(
        warp_image(frame.image, swap.displacement),
        np.where(swap.lungs > 0, _exchanged(warp_lungs(frame.lungs, swap.displacement)), 0).astype(np.uint8),
        None if moved is None else moved & (swap.lungs > 0),
    )


def swapped_boxes(boxes: npt.NDArray[np.floating], swap: LungSwap) -> Floats:
    """Boxes (K, 4) of the frame, columns x, y, width, height, px, on the other side.

    The field undoes itself, so it carries forwards and backwards alike; a box grows as in `travel.enclosing_boxes`.

    Raises:
        ValueError: the boxes are not of shape (K, 4), or a width or height is not positive.
    """
    return carry_boxes(swap.displacement, boxes)


def resized(swap: LungSwap, size: int) -> LungSwap:
    """The exchange on a grid of `size` x `size` pixels that covers the same frame.

    Raises:
        ValueError: the frame is no square.
    """
    height, width = swap.lungs.shape
    if height != width:
        raise ValueError(f"the frame has {height} x {width} pixels; expected a square canvas")
    planes = [
        cv2.resize(np.ascontiguousarray(plane), (size, size), interpolation=cv2.INTER_AREA)
        for plane in swap.displacement
    ]
    return LungSwap(np.asarray(np.stack(planes) * (size / width), dtype=np.float32), fitted_labels(swap.lungs, size))


def _exchanged(labels: U8) -> U8:
    return np.where(labels == 0, labels, 3 - labels).astype(np.uint8)
