"""Pictures of the pseudo-pairs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.pictures import ORANGE, checkerboard, contact_sheet, fitted, to_rgb, with_boxes

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ShownPair:
    """A pair to be drawn.

    Attributes:
        abnormal: (H, W) in [0, 1], in the reference frame.
        normal: the same of its partner.
        boxes: (x, y, width, height) of the abnormal side, px of the frame.
        before: similarity of both before registration, None where unknown.
        after: the same after registration.
    """

    abnormal: F32
    normal: F32
    boxes: Sequence[Sequence[float]] = ()
    before: float | None = None
    after: float | None = None


def pair_sheet(pairs: Sequence[ShownPair], side: int = 144) -> U8:
    """Abnormal, normal and both in turn on a checkerboard, a pair a row.

    Raises:
        ValueError: no pair.
    """
    tiles, captions = [], []
    for pair in pairs:
        scale = side / max(pair.abnormal.shape)
        boxes = [[scale * number for number in box] for box in pair.boxes]
        ill, well = (fitted(image, side) for image in (pair.abnormal, pair.normal))
        tiles += [with_boxes(to_rgb(ill), boxes, ORANGE), to_rgb(well), checkerboard(ill, well)]
        captions += [f"similarity before {_said(pair.before)}", f"after {_said(pair.after)}", ""]
    return contact_sheet(tiles, 3, captions, ("abnormal", "normal", "in turn"))


def _said(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"
