"""Row-wise outline of one lung: apex, base, and a left and a right border at every height."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d

from assets.prealignment.settings import PrealignmentSettings

Floats = npt.NDArray[np.float64]


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
    heights = np.arange(rows[0], rows[-1] + 1, dtype=np.float64)
    # both borders as left ones: the right border seen in a mirror
    borders = np.stack([np.interp(heights, rows, left), np.interp(heights, rows, mirrored)])
    width = soft.shape[1] - 1 - borders.sum(axis=0)
    slope = settings.retreat_limit * _quantile(width, 0.9) / len(heights)
    left, mirrored = _smooth(_limit_retreat(borders, slope), smoothing)
    left, right = _widen(left, soft.shape[1] - 1 - mirrored, settings.minimum_row_width)
    top, bottom = _levels(soft, settings.base_level)
    return LungOutline(top + y, bottom + y, heights + y, left + x, right + x)


def box_outline(soft: npt.NDArray[np.float32], origin: tuple[int, int]) -> LungOutline:
    """The bounding box of a lung as an outline with two constant borders (per-lung affine IT-PR)."""
    x, y = origin
    rows, columns = np.flatnonzero((soft >= 0.5).any(axis=1)), np.flatnonzero((soft >= 0.5).any(axis=0))
    ends = np.array([rows[0] - 0.5, rows[-1] + 0.5]) + y
    left, right = np.full(2, columns[0] - 0.5 + x), np.full(2, columns[-1] + 0.5 + x)
    return LungOutline(float(ends[0]), float(ends[1]), ends, left, right)


def _first_inside(soft: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.intp], Floats]:
    """Rows that meet the lung, and where each crosses 0.5 for the first time, px."""
    # the search along a row is fast only where its pixels lie side by side
    soft = np.ascontiguousarray(soft)
    inside = soft >= 0.5
    first = inside.argmax(axis=1)
    rows = np.flatnonzero(inside[np.arange(len(first)), first])
    first = first[rows]
    inner, outer = soft[rows, first].astype(np.float64), soft[rows, first - 1].astype(np.float64)
    return rows, first - (inner - 0.5) / (inner - outer)


def _levels(soft: npt.NDArray[np.float32], base_level: float) -> tuple[float, float]:
    """Apex (highest point) and base (a quantile of the lower border over the columns), px."""
    _, upper = _first_inside(soft.T)
    _, lower = _first_inside(soft[::-1].T)
    return float(upper.min()), _quantile(soft.shape[0] - 1 - lower, base_level)


def _quantile(values: Floats, share: float) -> float:
    """Quantile, linear between values: numpy's own spends more on its arguments than on these short arrays."""
    ordered = np.sort(values)
    return float(np.interp(share * (len(values) - 1), np.arange(len(values)), ordered))


def _limit_retreat(borders: Floats, slope: float) -> Floats:
    """Left borders (2, n) that move right by at most ``slope`` px a row, from the middle row to either end."""
    middle = borders.shape[1] // 2
    ramp = slope * np.arange(middle + 1)
    upper, lower = (
        np.minimum.accumulate(part - ramp[: part.shape[1]], axis=1) + ramp[: part.shape[1]]
        for part in (borders[:, middle::-1], borders[:, middle:])
    )
    return np.concatenate([upper[:, :0:-1], lower], axis=1)


def _smooth(borders: Floats, sigma: float) -> Floats:
    reach = min(int(np.ceil(4 * sigma)), borders.shape[1] - 1)
    if reach <= 0:
        return borders
    # odd reflection keeps the slope at the apex and at the base, where plain replication would flatten the
    # border
    before = 2 * borders[:, :1] - borders[:, reach:0:-1]
    after = 2 * borders[:, -1:] - borders[:, -2 : -reach - 2 : -1]
    padded = np.concatenate([before, borders, after], axis=1)
    smooth = gaussian_filter1d(padded, sigma, axis=1, mode="nearest")
    return np.asarray(smooth[:, reach:-reach])


def _widen(left: Floats, right: Floats, minimum: float) -> tuple[Floats, Floats]:
    middle, half = (left + right) / 2, np.maximum(right - left, minimum) / 2
    return middle - half, middle + half
