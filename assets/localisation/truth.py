"""Where a radiograph's findings are, as far as anybody has drawn them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from assets.localisation.boxes import box_rows, boxes_mask, clipped, component_boxes
from assets.radiographs.geometry import Canvas, place_boxes

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Source = Literal["boxes", "lesion", "normal"]


class NoTruth(ValueError):
    """What was drawn of a radiograph says nothing of where its findings are."""


@dataclass(frozen=True)
class Truth:
    """Findings of a radiograph on its canvas.

    Attributes:
        source: what they are known from; `normal` for a normal radiograph, which has none.
        boxes: (K, 4), canvas px; around the parts of the lesion where no boxes were drawn.
        target: (H, W) bool, the lesion where there are no boxes, else the boxes filled.
        lesion: (H, W) bool, None where no mask was drawn.
        left_out: boxes beside the image.
    """

    source: Source
    boxes: F64
    target: Mask
    lesion: Mask | None = None
    left_out: int = 0


def normal_truth(shape: tuple[int, int]) -> Truth:
    """Truth of a normal radiograph with a canvas of (H, W): whatever is detected is false."""
    return Truth("normal", np.zeros((0, 4)), np.zeros(shape, np.bool_))


def image_frame(canvas: Canvas, width: int, height: int) -> tuple[float, float, float, float]:
    """What the image covers of its canvas, (x, y, width, height), px."""
    x, y, across, down = place_boxes(np.array([[0.0, 0.0, width, height]]), canvas)[0].tolist()
    return x, y, across, down


def truth_of(
    boxes: Sequence[Sequence[float]],
    lesion: Mask | None,
    frame: tuple[float, float, float, float],
    shape: tuple[int, int],
    smallest_share: float,
) -> Truth:
    """Truth of a radiograph with boxes or a lesion mask; of both, boxes are what detections are compared with.

    Args:
        boxes: (K, 4), canvas px, as drawn.
        lesion: (H, W) bool, None where no mask was drawn.
        frame: what the image covers of the canvas; boxes are cut at it.
        shape: (H, W) of the canvas.
        smallest_share: see `component_boxes`.

    Raises:
        NoTruth: no box covers a pixel of the image and none is marked as lesion.
        ValueError: a box without four finite numbers or without a positive size.
    """
    rows = box_rows(boxes)
    inside = clipped(rows, frame)
    left_out = len(rows) - len(inside)
    target = boxes_mask(inside, shape)
    if target.any():
        return Truth("boxes", inside, target, lesion, left_out)
    if lesion is None or not lesion.any():
        known = (
            f"none of the {len(rows)} boxes covers a pixel of the image" if len(rows) else "the lesion mask is empty"
        )
        raise NoTruth(f"{known}; mend the cohort's table, or label the radiograph as normal")
    return Truth("lesion", component_boxes(lesion, smallest_share), lesion, lesion, left_out)
