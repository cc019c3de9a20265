"""Row-wise outline of one lung and the map between the outlines of two lungs.

Lung coordinates of a point (x, y) in a lung with top t, bottom b and, at height y, left border a(y) and right
border c(y)::

    v = (y - t) / (b - t)        u = (x - a(y)) / (c(y) - a(y))

Points with equal (u, v) correspond. The inverse is the same formula with the two lungs exchanged, and its
Jacobian is triangular with positive diagonal: inside a lung it cannot fold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from assets.prealignment.settings import PrealignmentSettings

Floats = npt.NDArray[np.float64]

_STRETCH_LIMIT = 2.0


@dataclass(frozen=True)
class LungOutline:
    """Outline of one lung in pixel-center coordinates: a pixel's edges lie 0.5 from its center.

    Attributes:
        top: height t that counts as v = 0, the apex.
        bottom: height b that counts as v = 1, the base; rows may go on below it.
        rows: heights (n,) at which the borders are known, increasing.
        left: left border a at these heights, px.
        right: right border c at these heights, px; greater than ``left``.
    """

    top: float
    bottom: float
    rows: Floats
    left: Floats
    right: Floats

    def borders(self, y: Floats) -> tuple[Floats, Floats]:
        """Left and right border at heights y, linear between rows, constant beyond the first and last."""
        return np.interp(y, self.rows, self.left), np.interp(y, self.rows, self.right)


def row_outline(
    soft: npt.NDArray[np.float32], origin: tuple[int, int], smoothing: float, settings: PrealignmentSettings
) -> LungOutline:
    """Outline of a lung given as a soft mask.

    A row that meets the lung in several runs is taken from its first to its last pixel (row hull). Its bottom is
    the settings' ``base_level``, so lung coordinates run past v = 1 in the costophrenic recess.

    Args:
        soft: (h, w), 0 to 1, border of the lung at 0.5, with an empty margin of one pixel all around.
        origin: (x, y) of the patch's first pixel in the image.
        smoothing: Gaussian sigma in rows for both borders; jagged borders would shear neighboring rows apart.
        settings: ``base_level``, ``retreat_limit`` and ``minimum_row_width``.
    """
    x, y = origin
    rows, left = _first_inside(soft)
    _, mirrored = _first_inside(soft[:, ::-1])
    right = soft.shape[1] - 1 - mirrored
    heights = np.arange(rows[0], rows[-1] + 1, dtype=np.float64)
    left, right = np.interp(heights, rows, left), np.interp(heights, rows, right)
    slope = settings.retreat_limit * float(np.percentile(right - left, 90)) / len(heights)
    left, right = _smooth(_limit_retreat(left, slope), smoothing), -_smooth(_limit_retreat(-right, slope), smoothing)
    left, right = _widen(left, right, settings.minimum_row_width)
    top, bottom = _levels(soft, settings.base_level)
    return LungOutline(top + y, bottom + y, heights + y, left + x, right + x)


def box_outline(soft: npt.NDArray[np.float32], origin: tuple[int, int]) -> LungOutline:
    """The bounding box of a lung as an outline with two constant borders (per-lung affine IT-PR)."""
    x, y = origin
    rows, columns = np.flatnonzero((soft >= 0.5).any(axis=1)), np.flatnonzero((soft >= 0.5).any(axis=0))
    ends = np.array([rows[0] - 0.5, rows[-1] + 0.5]) + y
    left, right = np.full(2, columns[0] - 0.5 + x), np.full(2, columns[-1] + 0.5 + x)
    return LungOutline(float(ends[0]), float(ends[1]), ends, left, right)


def corresponding_rows(source: LungOutline, target: LungOutline, y: Floats) -> Floats:
    """Heights in the target lung that correspond to heights y in the source lung (equal v)."""
    scale = (target.bottom - target.top) / (source.bottom - source.top)
    return np.asarray(target.top + (y - source.top) * scale)


def transfer(source: LungOutline, target: LungOutline, points: Floats) -> Floats:
    """Points (K, 2) of the source lung at the same lung coordinates (u, v) in the target lung.

    Points beyond the left or right border keep their distance to it, scaled by the ratio of the row widths
    limited to 1/2..2 (at a pointed tip the ratio says nothing about the surroundings). ``transfer`` with the
    lungs exchanged is the exact inverse.
    """
    x, y = points[:, 0], points[:, 1]
    target_y = corresponding_rows(source, target, y)
    left, right = source.borders(y)
    target_left, target_right = target.borders(target_y)
    ratio = (target_right - target_left) / (right - left)
    nearest = np.clip(x, left, right)
    target_x = target_left + (nearest - left) * ratio + (x - nearest) * limited(ratio)
    return np.stack([target_x, target_y], axis=1)


def limited(ratio: Floats) -> Floats:
    """Ratio of row widths as used beyond the borders, limited to 1/2..2."""
    return np.clip(ratio, 1 / _STRETCH_LIMIT, _STRETCH_LIMIT)


def _first_inside(soft: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.intp], Floats]:
    """Rows that meet the lung, and where each crosses 0.5 for the first time, px."""
    inside = soft >= 0.5
    rows = np.flatnonzero(inside.any(axis=1))
    first = inside[rows].argmax(axis=1)
    inner, outer = soft[rows, first].astype(np.float64), soft[rows, first - 1].astype(np.float64)
    return rows, first - (inner - 0.5) / (inner - outer)


def _levels(soft: npt.NDArray[np.float32], base_level: float) -> tuple[float, float]:
    """Apex (highest point) and base (a quantile of the lower border over the columns), px."""
    _, upper = _first_inside(soft.T)
    _, lower = _first_inside(soft[::-1].T)
    return float(upper.min()), float(np.quantile(soft.shape[0] - 1 - lower, base_level))


def _limit_retreat(border: Floats, slope: float) -> Floats:
    """A left border that moves right by at most ``slope`` px a row, from the middle row to either end."""
    middle = len(border) // 2
    upper, lower = border[middle::-1], border[middle:]
    ends = [part - slope * np.arange(len(part)) for part in (upper, lower)]
    upper, lower = (np.minimum.accumulate(end) + slope * np.arange(len(end)) for end in ends)
    return np.concatenate([upper[:0:-1], lower])


def _smooth(border: Floats, sigma: float) -> Floats:
    if sigma <= 0:
        return border
    # odd reflection keeps the slope at the apex and at the base, where plain replication would flatten the
    # border
    reach = min(int(np.ceil(4 * sigma)), len(border) - 1)
    padded = np.pad(border, reach, mode="reflect", reflect_type="odd") if reach else border
    smooth = gaussian_filter1d(padded, sigma, mode="nearest")
    return np.asarray(smooth[reach : len(smooth) - reach])


def _widen(left: Floats, right: Floats, minimum: float) -> tuple[Floats, Floats]:
    middle, half = (left + right) / 2, np.maximum(right - left, minimum) / 2
    return middle - half, middle + half
