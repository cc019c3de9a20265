"""The pixels in and around a reference lung, with their lung coordinates."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.prealignment.lung_outline import LungOutline
from assets.prealignment.settings import PrealignmentSettings

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LungNeighborhood:
    """Box of the reference grid that one reference lung maps, with its pixels' lung coordinates.

    Attributes:
        box: rows and columns of the grid.
        heights: the rows (h,) as heights, px.
        weight: float32 (h, w), trust in this lung's map, 0 to 1.
        across: float32 (h, w), weight times the lung coordinate u, limited to 0..1.
        beyond: float32 (h, w), weight times the signed distance past the left (negative) or right border, px.
    """

    box: tuple[slice, slice]
    heights: Floats
    weight: F32
    across: F32
    beyond: F32


def neighborhood(outline: LungOutline, weights: F32) -> LungNeighborhood:
    """The box of all pixels with weight (H, W), and their coordinates in the lung with this outline."""
    rows, columns = np.flatnonzero(weights.any(axis=1)), np.flatnonzero(weights.any(axis=0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    heights = np.arange(rows[0], rows[-1] + 1, dtype=np.float64)
    left, right = (border[:, None] for border in outline.borders(heights))
    x = np.arange(columns[0], columns[-1] + 1, dtype=np.float64)
    nearest = np.clip(x, left, right)
    weight = weights[box]
    across = np.asarray(weight * (nearest - left) / (right - left), dtype=np.float32)
    return LungNeighborhood(box, heights, weight, across, np.asarray(weight * (x - nearest), dtype=np.float32))


def fade(distance: Floats, height: int, settings: PrealignmentSettings) -> F32:
    """Trust in the lung's own map: 1 up to the exact margin, cosine fall to 0 over the feather margin."""
    past = (distance - settings.exact_margin * height) / (settings.feather_margin * height)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip(past, 0, 1)), dtype=np.float32)


def weights_at(near: LungNeighborhood, points: Floats) -> F32:
    """Trust (K,) in a lung's map at the pixels nearest to points (K, 2) of the reference grid."""
    rows, columns = near.box
    height, width = near.weight.shape
    column, row = np.rint(points).astype(np.intp).T - np.array([[columns.start], [rows.start]])
    within = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    weights = near.weight[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    return np.where(within, weights, 0).astype(np.float32)
