"""The map between the row-wise outlines of two pairs of lungs (modes rows, rows_tilt and box).

Lung coordinates of a point (x, y) in a lung with top t, bottom b and, at height y, left border a(y) and right
border c(y)::

    v = (y - t) / (b - t)        u = (x - a(y)) / (c(y) - a(y))

Points with equal (u, v) correspond. The inverse is the same formula with the two lungs exchanged, and its
Jacobian is triangular with positive diagonal: inside a lung it cannot fold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from assets.prealignment.extension import FillPyramid, fill, fill_pyramid
from assets.prealignment.lung_neighborhood import LungNeighborhood, fade, neighborhood, weights_at
from assets.prealignment.lung_outline import LungOutline
from assets.prealignment.lung_tilt import Upright
from assets.prealignment.settings import PrealignmentSettings

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
Outlines = dict[int, LungOutline]

_STRETCH_LIMIT = 2.0


@dataclass(frozen=True)
class RowMap:
    """What the modes with closed form keep of the reference lungs.

    Attributes:
        outlines: of both reference lungs, by label.
        neighborhoods: the pixels that each of them maps.
        pyramid: for the smooth extension around them.
        blur: Gaussian sigma of the extension, px.
    """

    outlines: Outlines
    neighborhoods: dict[int, LungNeighborhood]
    pyramid: FillPyramid
    blur: float


def row_map(lungs: npt.NDArray[np.uint8], outlines: Outlines, settings: PrealignmentSettings) -> RowMap:
    """Prepare the reference lungs (H, W) with the outlines of both."""
    distances = {label: distance_transform_edt(lungs != label) for label in outlines}
    nearest = np.minimum(distances[1], distances[2])
    weights = fade(nearest, lungs.shape[0], settings)
    mine = {1: distances[1] <= distances[2], 2: distances[1] > distances[2]}
    neighborhoods = {label: neighborhood(outlines[label], weights * mine[label]) for label in outlines}
    return RowMap(outlines, neighborhoods, fill_pyramid(weights), settings.feather_margin * lungs.shape[0] / 2)


def row_displacement(reference: RowMap, targets: Outlines, upright: Upright) -> F32:
    """Backward displacement (2, H, W), px, from the reference grid to lungs with outlines measured upright."""
    weighted = np.zeros((2, *reference.pyramid.unknown[0].shape), np.float32)
    for label, target in targets.items():
        near = reference.neighborhoods[label]
        for plane, tables in zip(weighted, _row_tables(reference.outlines[label], target, near, upright), strict=True):
            start, span, slope = tables.astype(np.float32)[..., None]
            plane[near.box] += near.weight * start + near.across * span + near.beyond * slope
    return fill(weighted, reference.pyramid, reference.blur)


def row_points(
    reference: RowMap, sources: Outlines, upright: Upright, points: Floats, labels: npt.NDArray[np.uint8]
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Points (K, 2) of the radiograph in the reference frame by the map of each one's lung (labels (K,)).

    Returns:
        float64 (K, 2), and for each point whether it lies there where the field is that map alone.
    """
    mapped, exact = np.empty_like(points), np.zeros(len(points), np.bool_)
    rotated = upright.apply(points)
    for label, source in sources.items():
        chosen = labels == label
        mapped[chosen] = transfer(source, reference.outlines[label], rotated[chosen])
        exact[chosen] = weights_at(reference.neighborhoods[label], mapped[chosen]) == 1
    return mapped, exact


def transfer(source: LungOutline, target: LungOutline, points: Floats) -> Floats:
    """Points (K, 2) of the source lung at the same lung coordinates (u, v) in the target lung.

    Points beyond the left or right border keep their distance to it, scaled by the ratio of the row widths
    limited to 1/2..2 (at a pointed tip the ratio says nothing about the surroundings). ``transfer`` with the
    lungs exchanged is the exact inverse.
    """
    x, y = points[:, 0], points[:, 1]
    target_y = _corresponding_rows(source, target, y)
    left, right = source.borders(y)
    target_left, target_right = target.borders(target_y)
    ratio = (target_right - target_left) / (right - left)
    nearest = np.clip(x, left, right)
    target_x = target_left + (nearest - left) * ratio + (x - nearest) * _limited(ratio)
    return np.stack([target_x, target_y], axis=1)


def _row_tables(source: LungOutline, target: LungOutline, near: LungNeighborhood, upright: Upright) -> Floats:
    """Displacement x and y along every row of a neighborhood: its value at u = 0, by u and by px beyond, (2, 3, h)."""
    # the map is one straight line a row, so it is worked out once a row, not once a pixel
    y = _corresponding_rows(source, target, near.heights)
    left, right = source.borders(near.heights)
    target_left, target_right = target.borders(y)
    width, target_width = right - left, target_right - target_left
    slope = _limited(target_width / width)
    cosine, sine = np.cos(upright.angle), np.sin(upright.angle)
    x, y = target_left - upright.center[0], y - upright.center[1]
    across = [cosine * x + sine * y + upright.center[0] - left, cosine * target_width - width, cosine * slope - 1]
    down = [cosine * y - sine * x + upright.center[1] - near.heights, -sine * target_width, -sine * slope]
    return np.array([across, down])


def _corresponding_rows(source: LungOutline, target: LungOutline, y: Floats) -> Floats:
    """Heights in the target lung that correspond to heights y in the source lung (equal v)."""
    scale = (target.bottom - target.top) / (source.bottom - source.top)
    return np.asarray(target.top + (y - source.top) * scale)


def _limited(ratio: Floats) -> Floats:
    """Ratio of row widths as used beyond the borders."""
    return np.clip(ratio, 1 / _STRETCH_LIMIT, _STRETCH_LIMIT)
