"""PBTSeg: lungs by progressive thresholding, without training.

After the lung segmentation of ART-ASyn (arXiv 2512.00310, WACV 2026). Thresholds rise step by step; each lung
grows with them until it leaks into its surroundings and fails a shape rule. Meant for healthy, aerated lungs:
opaque lung is bright and is left out.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes

from assets.segmentation.quality import hull_of, hull_points
from assets.segmentation.settings import SegmentationSettings

Bools = npt.NDArray[np.bool_]

# all constants below are those of the published code and hold on this grid
WORKING_SIDE = 256
THRESHOLDS = range(50, 165, 5)
_PATIENCE_UNTIL = 130
_AREA = (2000, 10000)
_SOLIDITY = 0.6
_BORDER_SHARE = 0.15


@dataclass(frozen=True)
class _Region:
    """A dark region that satisfies all shape rules; columns are [left, right)."""

    mask: Bools
    area: int
    left: int
    right: int


def segment(image: npt.NDArray[np.float32], settings: SegmentationSettings | None = None) -> npt.NDArray[np.uint8]:
    """Lungs (H, W) of a radiograph: 0 background, 1 patient-right (image-left), 2 patient-left.

    Works on an 8-bit copy of 256 x 256 pixels, so the area limits scale with the image, and returns masks at
    the input's size. A lung that no threshold separates is absent from the result.

    Args:
        image: float32 (H, W) in [0, 1], lungs dark.
        settings: ``border_brightening`` and ``equalize``; None for the published method.
    """
    settings = settings or SegmentationSettings(equalize=False)
    small = cv2.resize(image, (WORKING_SIDE, WORKING_SIDE), interpolation=cv2.INTER_LINEAR)
    bright = np.asarray(small, dtype=np.float32) * _border_gain(settings.border_brightening)
    gray = np.rint(np.clip(bright, 0, 1) * 255).astype(np.uint8)
    if settings.equalize:
        gray = np.asarray(cv2.equalizeHist(gray), dtype=np.uint8)
    found = _grow(gray)
    return _at_size(found, (image.shape[0], image.shape[1]))


def _grow(gray: npt.NDArray[np.uint8]) -> dict[int, _Region]:
    """The largest region met for each lung while the threshold rises, keyed by label."""
    stored: dict[int, _Region] = {}
    for threshold in THRESHOLDS:
        regions = _lung_like(gray <= threshold)
        if not regions and threshold > _PATIENCE_UNTIL:
            break
        for region in sorted(regions, key=lambda region: -region.area)[:2]:
            label = _side(region)
            if label and (label not in stored or region.area > stored[label].area):
                stored[label] = region
    return stored


def _side(region: _Region) -> int:
    """Label by position, 0 for neither.

    A region that reaches both outer thirds counts as the patient-right lung only; the published code lets it
    through as the patient-left one whenever it isn't larger than the right lung found before.
    """
    if region.left < WORKING_SIDE / 3:
        return 1
    return 2 if region.right > 2 * WORKING_SIDE / 3 else 0


def _lung_like(mask: Bools) -> list[_Region]:
    """8-connected regions of a mask that satisfy the rules on area, proportions, place, solidity and border."""
    count, components, statistics, centers = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    regions = []
    for label in range(1, count):
        left, _, width, height, area = (int(value) for value in statistics[label])
        if not (_AREA[0] < area < _AREA[1] and height > width and _central(*centers[label])):
            continue
        region = np.asarray(components) == label
        if _compact(region, area):
            regions.append(_Region(region, area, left, left + width))
    return regions


def _central(x: float, y: float) -> bool:
    margin = WORKING_SIDE / 6
    return margin < x < WORKING_SIDE - margin and margin < y < WORKING_SIDE - margin


def _compact(region: Bools, area: int) -> bool:
    hull = hull_of(region)
    if area <= _SOLIDITY * int(hull.sum()):
        return False
    on_border = int(hull.sum()) - int(hull[1:-1, 1:-1].sum())
    return on_border < _BORDER_SHARE * float(cv2.arcLength(hull_points(region), True))


def _border_gain(factor: float) -> npt.NDArray[np.float32]:
    """Gain (256, 256): 1 at the center, rising with the square of the distance to ``factor`` at the border."""
    offset = np.abs(np.linspace(-1, 1, WORKING_SIDE, dtype=np.float32))
    distance = np.maximum(offset[:, None], offset[None, :])
    return (1 + (factor - 1) * distance**2).astype(np.float32)


def _at_size(found: dict[int, _Region], shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    lungs = np.zeros(shape, np.uint8)
    for label in sorted(found, reverse=True):
        filled = np.asarray(binary_fill_holes(found[label].mask), dtype=np.float32)
        soft = cv2.resize(filled, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR)
        lungs[np.asarray(soft) >= 0.5] = label
    return lungs
