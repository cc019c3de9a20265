"""Contact sheet of maps over their radiographs, with what was drawn and what was detected."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.pictures import GREEN, RGB, WHITE, contact_sheet, fitted, heat, to_rgb, with_boxes
from assets.scoring.anomaly_map import smooth_in_lung

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FULL_QUANTILE = 0.998


@dataclass(frozen=True)
class Shown:
    """One radiograph and one map of it, on its canvas.

    Attributes:
        image: (H, W) in [0, 1].
        anomaly_map: (H, W), at least 0.
        lungs: (H, W) bool.
        boxes: (K, 4), what was drawn, px.
        surest: (M, 4), the surest region, px; none for a map of 0.
        caption: such as its measures; no name of a patient.
    """

    image: F32
    anomaly_map: F32
    lungs: Mask
    boxes: F64
    surest: F64
    caption: str


def localisation_sheet(shown: Sequence[Shown], sigma: float, *, groups: int = 3, side: int = 160) -> RGB:
    """Pairs of radiograph and map over it, boxes green, the surest region white, `groups` pairs in a row.

    The maps are smoothed as for detection and share one scale.

    Args:
        shown: at least one.
        sigma: smoothing, pixels at a side of 256.
        groups: radiographs in a row.
        side: longer side of a tile in pixels.

    Raises:
        ValueError: nothing is to be shown.
    """
    smoothed = [smooth_in_lung(each.anomaly_map, each.lungs, sigma) for each in shown]
    inside = [values[each.lungs] for values, each in zip(smoothed, shown, strict=True)]
    full = max(float(np.quantile(np.concatenate([*inside, np.zeros(1, np.float32)]), FULL_QUANTILE)), 1e-6)
    tiles = [tile for values, each in zip(smoothed, shown, strict=True) for tile in _pair(values, each, full, side)]
    captions = [text for each in shown for text in (each.caption, "")]
    return contact_sheet(tiles, 2 * min(groups, max(1, len(shown))), captions)


def _pair(smoothed: F32, each: Shown, full: float, side: int) -> tuple[RGB, RGB]:
    scale = side / max(each.image.shape)
    boxes, found = ((scale * rows).tolist() for rows in (each.boxes, each.surest))
    small = fitted(each.image, side)
    over = with_boxes(heat(small, fitted(smoothed, side), full), boxes, GREEN)
    return with_boxes(to_rgb(small), boxes, GREEN), with_boxes(over, found, WHITE)
