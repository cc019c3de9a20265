"""Clean-up of lung masks: one hole-free, smooth component a lung, on its own side."""

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes

from assets.segmentation.settings import SegmentationSettings

Bools = npt.NDArray[np.bool_]

_SECOND_LUNG_SHARE = 0.2
_SPLIT_SHARE = 0.25


def clean(lungs: npt.NDArray[np.uint8], settings: SegmentationSettings) -> npt.NDArray[np.uint8]:
    """Lungs (H, W) with one component each, holes filled, outline smoothed and sides set by position.

    A mask in which only one label occurs is split by `split_lungs` first. A lung that is missing stays
    missing: `lung_flags` reports it.

    Args:
        lungs: uint8 labels, 0 background, 1 patient-right, 2 patient-left.
        settings: smoothing radius.

    Raises:
        ValueError: the mask has labels other than 0, 1, 2.
    """
    if lungs.max(initial=0) > 2:
        raise ValueError(f"lungs: expected labels 0, 1, 2, got {lungs.max()}; turn a 0/255 mask into 0/1 and split it")
    one_label = not ((lungs == 1).any() and (lungs == 2).any())
    labels = split_lungs(lungs > 0) if one_label else lungs
    radius = round(settings.smoothing_radius * lungs.shape[0])
    sides = [_smooth(binary_fill_holes(largest_component(labels == side)), radius) for side in (1, 2)]
    sides = [largest_component(side) for side in sides]
    if sides[0].any() and sides[1].any() and _center_column(sides[0]) > _center_column(sides[1]):
        sides.reverse()
    cleaned = np.zeros(lungs.shape, np.uint8)
    cleaned[sides[1]] = 2
    cleaned[sides[0]] = 1
    return cleaned


def split_lungs(mask: Bools) -> npt.NDArray[np.uint8]:
    """Labels 1 (image-left, patient-right) and 2 (image-right, patient-left) for a mask (H, W) of both lungs.

    Two large components are the two lungs. One large component that reaches well into both halves of the image
    is cut at the column with the fewest mask pixels in the middle half of its width; otherwise it is a single
    lung, on the side where its centroid lies.
    """
    labels = np.zeros(mask.shape, np.uint8)
    components, areas = _components(mask)
    if len(areas) == 0:
        return labels
    order = np.argsort(-areas, kind="stable")
    first = components == order[0] + 1
    if len(areas) > 1 and areas[order[1]] >= _SECOND_LUNG_SHARE * areas[order[0]]:
        second = components == order[1] + 1
        left, right = sorted((first, second), key=_center_column)
        labels[left], labels[right] = 1, 2
        return labels
    middle = mask.shape[1] // 2
    share = float(first[:, :middle].sum()) / float(areas[order[0]])
    if min(share, 1 - share) < _SPLIT_SHARE:
        labels[first] = 1 if _center_column(first) < (mask.shape[1] - 1) / 2 else 2
        return labels
    cut = _emptiest_column(first)
    labels[:, :cut][first[:, :cut]] = 1
    labels[:, cut:][first[:, cut:]] = 2
    return labels


def largest_component(mask: Bools) -> Bools:
    """The largest 8-connected component of a mask (H, W); empty for an empty mask."""
    components, areas = _components(mask)
    if len(areas) == 0:
        return mask
    return np.asarray(components == int(np.argmax(areas)) + 1)


def _components(mask: Bools) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    _, components, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = np.asarray(statistics)[1:, cv2.CC_STAT_AREA]
    return np.asarray(components, dtype=np.int32), np.asarray(areas, dtype=np.int32)


def _smooth(mask: Bools, radius: int) -> Bools:
    if radius == 0:
        return mask
    size = (2 * radius + 1, 2 * radius + 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size)
    # zeros around the image, so closing at the border does not wrap the border in
    padded = np.pad(mask.astype(np.uint8), radius + 1)
    opened = cv2.morphologyEx(padded, cv2.MORPH_OPEN, kernel)
    closed = np.asarray(cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel))
    inner = slice(radius + 1, -radius - 1)
    return closed[inner, inner] > 0


def _center_column(mask: Bools) -> float:
    columns = mask.sum(axis=0)
    return float(columns @ np.arange(len(columns)) / columns.sum())


def _emptiest_column(mask: Bools) -> int:
    columns = np.flatnonzero(mask.any(axis=0))
    quarter = (columns[-1] - columns[0]) // 4
    start, stop = columns[0] + quarter, columns[-1] - quarter + 1
    return int(start + np.argmin(mask[:, start:stop].sum(axis=0)))
