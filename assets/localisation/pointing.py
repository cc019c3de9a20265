"""Does a map point at the finding: its peak, its sum and its contrast, inside and beside the boxes."""

import numpy as np
import numpy.typing as npt

from assets.scoring.anomaly_map import smooth_in_lung

F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

TIE = 1e-6


def pointing_game(anomaly_map: F32, target: Mask, lungs: Mask, sigma: float) -> float:
    """Whether the highest pixel of the smoothed map lies in the target.

    The peak is looked for in the lungs. Ties (within one millionth of the maximum) share the hit: the result is the
    share of the highest pixels that lie in the target, 0 or 1 without ties, and the chance level for a constant map.
    A target beside the lungs cannot be hit, which counts as a miss: lungs that leave out a finding are the arm's own.

    Args:
        anomaly_map: (H, W) float32.
        target: (H, W) bool, the boxes or the lesion.
        lungs: (H, W) bool, at least one pixel.
        sigma: Gaussian smoothing, pixels at a side of 256.

    Returns:
        A hit in [0, 1].

    Raises:
        ValueError: there is no lung pixel.

    Source: pointing game of Zhang et al. 2018, arXiv:1608.00507.
    """
    _require_lungs(lungs)
    smoothed = smooth_in_lung(anomaly_map, lungs, sigma)
    highest = float(smoothed[lungs].max())
    peaks = lungs & (smoothed >= highest - TIE * abs(highest))
    return float(target[peaks].mean())


def energy_inside(anomaly_map: F32, target: Mask, lungs: Mask) -> float:
    """Share of the map's sum in the lungs that lies in the target, in [0, 1]; `area_share` for a map that is 0."""
    _require_lungs(lungs)
    total = float(anomaly_map[lungs].sum(dtype=np.float64))
    if total <= 0:
        return area_share(target, lungs)
    return float(anomaly_map[lungs & target].sum(dtype=np.float64)) / total


def area_share(target: Mask, lungs: Mask) -> float:
    """Share of the lungs that lies in the target, in [0, 1]: the energy of a constant map, and its pointing game."""
    _require_lungs(lungs)
    return float((lungs & target).sum() / lungs.sum())


def contrast_to_noise(anomaly_map: F32, target: Mask, lungs: Mask) -> float | None:
    """How far the map is higher in the target than in the rest of the lungs, in units of its spread.

    (mean inside - mean beside) / sqrt(variance inside + variance beside), 0 for a constant map.

    Returns:
        None where the target has no pixel in the lungs or leaves none beside it.
    """
    inside, beside = (anomaly_map[lungs & part].astype(np.float64) for part in (target, ~target))
    if not (inside.size and beside.size):
        return None
    gap, spread = inside.mean() - beside.mean(), float(np.sqrt(inside.var() + beside.var()))
    return 0.0 if abs(gap) <= TIE * (abs(inside.mean()) + abs(beside.mean())) else float(gap / max(spread, 1e-12))


def _require_lungs(lungs: Mask) -> None:
    if not lungs.any():
        raise ValueError("lungs must have a pixel; set the radiograph aside before its map is measured")
