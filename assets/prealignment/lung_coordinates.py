"""IT-PR: map of both lungs into the frame of one reference lung, without training.

In closed form each lung is mapped by its own lung coordinates (`row_map`), and around the lungs the two maps are
extended smoothly (`extension`); the harmonic mode solves one equation for the whole image (`harmonic`). No image
intensity is read. Readings of Oh, Kim, Lim et al., Sci Rep 2026 (doi 10.1038/s41598-026-39979-2), whose formula is
not public.
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from assets.prealignment.field_inverse import solve
from assets.prealignment.harmonic import HarmonicMap, harmonic_displacement
from assets.prealignment.reference_frame import (
    ReferenceFrame,
    arc_outlines,
    moving_lungs,
    reference_frame,
    row_outlines,
)
from assets.prealignment.row_map import row_displacement, row_points
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.travel import enclosing_boxes

Floats = npt.NDArray[np.float64]

__all__ = [
    "ReferenceFrame",
    "prealign",
    "prealign_boxes",
    "prealign_inverse",
    "prealign_points",
    "reference_frame",
]


def prealign(
    frame: ReferenceFrame, lungs: npt.NDArray[np.uint8], settings: PrealignmentSettings
) -> npt.NDArray[np.float32]:
    """Backward displacement field from the reference grid to the radiograph with the given lungs.

    In closed form: inside each reference lung the point with equal lung coordinates in the same lung of the
    radiograph, close around it the continuation of that map, further out a smooth extension of both lungs' maps.
    Harmonic: outline onto outline, and the smoothest displacement between and around them.

    Args:
        frame: the reference, built with the same settings.
        lungs: uint8 (H, W) of the radiograph, labels 1 = patient-right, 2 = patient-left.
        settings: mode and smoothing.

    Returns:
        float32 (2, H, W) in pixels, channel 0 = x: ``aligned(p) = radiograph(p + u(p))``.

    Raises:
        ValueError: a lung is missing, or the frame was built with other settings.
    """
    moving = moving_lungs(frame, lungs, settings)
    if isinstance(frame.map, HarmonicMap):
        return harmonic_displacement(frame.map, arc_outlines(moving, settings))
    return row_displacement(frame.map, row_outlines(moving, settings), moving.upright)


def prealign_points(
    frame: ReferenceFrame,
    lungs: npt.NDArray[np.uint8],
    points: npt.NDArray[np.floating],
    settings: PrealignmentSettings,
) -> Floats:
    """Points of the radiograph in the reference frame: the inverse direction of `prealign`'s image warp.

    Points go by the closed form with the roles of the lungs exchanged where it holds, that is in and close around
    the lungs. The others, and in the harmonic mode all, are solved for on the field (``p + u(p) = point``); where
    it folds, the best solution found is returned.

    Args:
        frame: the reference, built with the same settings.
        lungs: uint8 (H, W) of the radiograph.
        points: (K, 2), columns (x, y), px, in the radiograph.
        settings: mode and smoothing.

    Returns:
        float64 (K, 2), columns (x, y), px, in the reference frame.

    Raises:
        ValueError: a lung is missing, the frame was built with other settings, or the points have another
            shape.
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points: expected shape (K, 2) with columns (x, y), got {points.shape}")
    if isinstance(frame.map, HarmonicMap):
        return solve(prealign(frame, lungs, settings), points)
    moving = moving_lungs(frame, lungs, settings)
    outlines, nearest = row_outlines(moving, settings), _nearest_lung(lungs, points)
    mapped, exact = row_points(frame.map, outlines, moving.upright, points.astype(np.float64), nearest)
    if not exact.all():
        field = row_displacement(frame.map, outlines, moving.upright)
        mapped[~exact] = solve(field, points[~exact], mapped[~exact])
    return mapped


def prealign_inverse(
    frame: ReferenceFrame,
    lungs: npt.NDArray[np.uint8],
    settings: PrealignmentSettings,
    size: tuple[int, int] | None = None,
) -> npt.NDArray[np.float32]:
    """Backward displacement field from the radiograph's grid into the reference frame: `prealign`'s inverse.

    It brings maps of the reference frame back onto the radiograph (`warp_image`), and carries the radiograph's
    points and boxes into the reference frame (`carry_points`, `carry_boxes`).

    Args:
        frame: the reference, built with the same settings.
        lungs: uint8 (H, W) of the radiograph.
        settings: mode and smoothing.
        size: height and width of the grid to answer on, from the radiograph's first pixel; by default its own.

    Returns:
        float32 (2, H, W) in pixels, channel 0 = x: ``restored(q) = map(q + v(q))``, with q + v(q) as
        `prealign_points` maps q.

    Raises:
        ValueError: a lung is missing, or the frame was built with other settings.
    """
    height, width = size or lungs.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    moved = prealign_points(frame, lungs, grid, settings) - grid
    return np.ascontiguousarray(moved.T.reshape(2, height, width), dtype=np.float32)


def prealign_boxes(
    frame: ReferenceFrame,
    lungs: npt.NDArray[np.uint8],
    boxes: npt.NDArray[np.floating],
    settings: PrealignmentSettings,
) -> Floats:
    """Boxes of the radiograph in the reference frame: the smallest ones around the carried outlines.

    A box grows on its way, see `assets.prealignment.travel.enclosing_boxes`. The way back is
    ``carry_boxes(prealign(frame, lungs, settings), boxes)``.

    Args:
        frame: the reference, built with the same settings.
        lungs: uint8 (H, W) of the radiograph.
        boxes: (K, 4), columns x, y, width, height, px, in the radiograph: x = 10, width = 5 covers columns 10 to 14.
        settings: mode and smoothing.

    Returns:
        float64 (K, 4), px, in the reference frame.

    Raises:
        ValueError: a lung is missing, the frame was built with other settings, or the boxes are no boxes.
    """
    return enclosing_boxes(boxes, lambda points: prealign_points(frame, lungs, points, settings))


def _nearest_lung(lungs: npt.NDArray[np.uint8], points: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Label (K,) of the lung that each point lies in or is nearest to."""
    height, width = lungs.shape
    column = np.clip(np.rint(points[:, 0]), 0, width - 1).astype(np.intp)
    row = np.clip(np.rint(points[:, 1]), 0, height - 1).astype(np.intp)
    label = lungs[row, column]
    if not label.all():
        nearest = distance_transform_edt(lungs == 0, return_distances=False, return_indices=True)
        label = lungs[tuple(nearest[:, row, column])]
    return np.asarray(label, dtype=np.uint8)
