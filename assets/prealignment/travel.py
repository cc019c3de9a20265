"""Points and boxes carried by a displacement field, whatever made it.

A field u on the grid of image A that reads image B (``warped(p) = B(p + u(p))``) carries points and boxes from A to
B. The field of an image warp therefore carries them from the reference frame to the radiograph; the way from the
radiograph to the reference frame needs the inverse field, which lies on the radiograph's grid.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from assets.prealignment.warp import sample

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]


def carry_points(displacement: F32, points: npt.NDArray[np.floating]) -> Floats:
    """Points carried from the grid that a field lies on to the grid that it reads.

    Args:
        displacement: float32 (2, H, W), px, channel 0 = x. To carry from the radiograph into the reference frame
            give the inverse of the image warp's field.
        points: (K, 2), columns (x, y), px; one outside the grid moves as the nearest border does.

    Returns:
        float64 (K, 2), columns (x, y), px.

    Raises:
        ValueError: the points are not of shape (K, 2).
    """
    return np.asarray(points + sample(displacement, points), dtype=np.float64)


def carry_boxes(displacement: F32, boxes: npt.NDArray[np.floating]) -> Floats:
    """Boxes carried as `carry_points` carries points; a box grows, see `enclosing_boxes`.

    Args:
        displacement: float32 (2, H, W), px, channel 0 = x, as for `carry_points`.
        boxes: (K, 4), columns x, y, width, height, px.

    Returns:
        float64 (K, 4), px.

    Raises:
        ValueError: the boxes are not of shape (K, 4), or a width or height is not positive.
    """
    return enclosing_boxes(boxes, lambda points: carry_points(displacement, points))


def enclosing_boxes(boxes: npt.NDArray[np.floating], carry: Callable[[Floats], Floats]) -> Floats:
    """Smallest axis-parallel boxes around the carried outlines of boxes.

    The outline of a carried box is bent or turned, so the box around it covers more than the box that was carried,
    and there and back it only grows: restore boxes from what was annotated, not from what was carried twice.

    Args:
        boxes: (K, 4), columns x, y, width, height, px: x = 10, width = 5 covers columns 10 to 14, so edges lie half
            a pixel off the pixel centers.
        carry: takes points (M, 2), columns (x, y), to points (M, 2).

    Returns:
        float64 (K, 4), px.

    Raises:
        ValueError: the boxes are not of shape (K, 4), or a width or height is not positive.
    """
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not (boxes[:, 2:] > 0).all():
        raise ValueError(f"boxes: expected (K, 4) with x, y, width > 0, height > 0, got {boxes.tolist()}")
    if not len(boxes):
        return np.zeros((0, 4))
    rings = [_edge_points(*(float(number) for number in box)) for box in boxes]
    starts = np.cumsum([0, *(len(ring) for ring in rings[:-1])])
    carried = carry(np.concatenate(rings))
    low, high = np.minimum.reduceat(carried, starts), np.maximum.reduceat(carried, starts)
    return np.concatenate([low + 0.5, high - low], axis=1)


def _edge_points(x: float, y: float, width: float, height: float) -> Floats:
    """Points (M, 2) on the four edges of a box, corners among them, at most a pixel apart."""
    across = np.linspace(x, x + width, int(np.ceil(width)) + 1) - 0.5
    down = np.linspace(y, y + height, int(np.ceil(height)) + 1) - 0.5
    sides = [np.stack([across, np.full(len(across), edge)], axis=1) for edge in (down[0], down[-1])]
    sides += [np.stack([np.full(len(down), edge), down], axis=1) for edge in (across[0], across[-1])]
    return np.concatenate(sides)
