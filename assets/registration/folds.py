"""Where a displacement field folds the image onto itself."""

from itertools import product

import numpy as np
import numpy.typing as npt


def folded(displacement: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Pixels at which the map `p + u(p)` is not orientation-preserving.

    A pixel counts as folded unless all four Jacobian determinants made from forward and backward differences are
    positive; central differences skip the pixel itself and miss alternating folds (Liu et al., IJCV 2024, on digital
    diffeomorphisms). At the border, where one of the two differences has no neighbor, the other stands for it.

    Args:
        displacement: (2, H, W), channel 0 = x, in pixels.

    Returns:
        bool (H, W), True where folded.

    Raises:
        ValueError: not (2, H, W), or a side is a single pixel.
    """
    found: npt.NDArray[np.bool_] = ~np.all(_determinants(displacement) > 0, axis=0)
    return found


def folded_share(displacement: npt.NDArray[np.float32], region: npt.NDArray[np.bool_]) -> float:
    """Share in [0, 1] of the pixels of `region` (H, W) that are folded.

    Raises:
        ValueError: `region` is empty or of another size.
    """
    return float(np.mean(folded(displacement)[_checked(region, displacement)]))


def log_jacobian_spread(displacement: npt.NDArray[np.float32], region: npt.NDArray[np.bool_]) -> float:
    """Standard deviation over `region` (H, W) of the log of the mean of the four determinants; folds are left out.

    Raises:
        ValueError: `region` is empty, of another size, or folded everywhere.
    """
    inside = _determinants(displacement)[:, _checked(region, displacement)]
    upright = inside[:, np.all(inside > 0, axis=0)]
    if not upright.size:
        raise ValueError("displacement is folded at every pixel of region; there is no volume change to measure")
    return float(np.std(np.log(np.mean(upright, axis=0))))


def _determinants(displacement: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    if displacement.ndim != 3 or displacement.shape[0] != 2 or min(displacement.shape[1:]) < 2:
        raise ValueError(f"displacement has shape {displacement.shape}; expected (2, H, W) with H, W of at least 2")
    field = displacement.astype(np.float64)
    along_x, along_y = _differences(field, axis=2), _differences(field, axis=1)
    return np.stack([(1 + dx[0]) * (1 + dy[1]) - dy[0] * dx[1] for dx, dy in product(along_x, along_y)])


def _differences(field: npt.NDArray[np.float64], axis: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    steps = np.diff(field, axis=axis)
    first, last = np.take(steps, [0], axis=axis), np.take(steps, [-1], axis=axis)
    return np.concatenate([steps, last], axis=axis), np.concatenate([first, steps], axis=axis)


def _checked(region: npt.NDArray[np.bool_], displacement: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    if region.shape != displacement.shape[1:]:
        raise ValueError(f"region has shape {region.shape}; expected {displacement.shape[1:]} as displacement has")
    if not region.any():
        raise ValueError("region is empty; give at least one pixel")
    return region.astype(bool)
