"""Boxes (x, y, width, height) by their edges: x = 10, width = 5 covers the columns 10 to 14."""

import cv2
import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]


def box_rows(boxes: npt.ArrayLike) -> F64:
    """Boxes as float64 (K, 4), (0, 4) where there are none.

    Raises:
        ValueError: a box without four finite numbers or without a positive size.
    """
    listed = np.asarray(boxes, dtype=np.float64)
    if listed.size and (listed.ndim != 2 or listed.shape[1] != 4):
        raise ValueError(f"boxes: expected (K, 4), got {listed.shape}")
    rows = listed.reshape(-1, 4)
    wrong = ~(np.isfinite(rows).all(axis=1) & (rows[:, 2:] > 0).all(axis=1))
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(f"boxes[{first}] must be x, y, width > 0, height > 0, got {rows[first].tolist()}")
    return rows


def intersections(first: F64, second: F64) -> F64:
    """Area (K, M) that each of K boxes shares with each of M boxes."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, :2] + first[:, None, 2:], second[None, :, :2] + second[None, :, 2:])
    return np.asarray(np.prod(np.maximum(high - low, 0), axis=2))


def iou(first: F64, second: F64) -> F64:
    """Intersection over union (K, M) of K boxes with M boxes, in [0, 1].

    Scaling an axis scales every area alike, so boxes of the canvas and of the source file agree.
    """
    shared = intersections(first, second)
    union = _areas(first)[:, None] + _areas(second)[None, :] - shared
    return np.asarray(shared / union)


def over_second(first: F64, second: F64) -> F64:
    """Share (K, M) of each of M boxes that lies in each of K boxes, in [0, 1]: how little a detection spills."""
    return np.asarray(intersections(first, second) / _areas(second)[None, :])


def clipped(boxes: F64, frame: tuple[float, float, float, float]) -> F64:
    """What of (K, 4) boxes lies in a frame (x, y, width, height), (M, 4); a box beside it is left out."""
    x, y, width, height = frame
    low = np.maximum(boxes[:, :2], (x, y))
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], (x + width, y + height))
    inside = (high > low).all(axis=1)
    return np.concatenate([low, high - low], axis=1)[inside]


def boxes_mask(boxes: F64, shape: tuple[int, int]) -> Mask:
    """Union of boxes as a mask.

    Convention:
        pixel centers are at integers, so a box holds the columns with x - 1/2 <= column < x + width - 1/2.

    Args:
        boxes: (K, 4), pixels of the mask.
        shape: (H, W) of the mask.

    Returns:
        (H, W) bool.
    """
    mask: Mask = np.zeros(shape, dtype=np.bool_)
    columns, rows = np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5
    for x, y, width, height in boxes:
        across = (columns >= x) & (columns < x + width)
        down = (rows >= y) & (rows < y + height)
        mask |= down[:, None] & across[None, :]
    return mask


def component_boxes(mask: Pixels, smallest_share: float) -> F64:
    """Boxes around the connected parts of an (H, W) mask (neighbors by side or corner), in the order of their rows.

    Parts of less than `smallest_share` of the pixels are left out, unless all are: then the largest stands for them.

    Returns:
        (K, 4); (0, 4) for an empty mask.
    """
    _, _, stats, _ = cv2.connectedComponentsWithStats((mask > 0).astype(np.uint8), connectivity=8)
    parts = np.asarray(stats, dtype=np.float64)[1:]
    if not len(parts):
        return np.zeros((0, 4))
    areas = parts[:, cv2.CC_STAT_AREA]
    large = areas >= min(smallest_share * mask.size, areas.max())
    return np.asarray(parts[large, :4])


def _areas(boxes: F64) -> F64:
    return np.asarray(boxes[:, 2] * boxes[:, 3])
