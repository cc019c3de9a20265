"""Inverse of a displacement field without closed form: where must one stand for the field to read a given point?"""

import numpy as np
import numpy.typing as npt

from assets.prealignment.warp import sample

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]

_STEPS = 30
_FULL_STEPS = 10
_CLOSE = 1e-3
_FLATTEST = 0.1


def solve(displacement: F32, points: npt.NDArray[np.floating], start: Floats | None = None) -> Floats:
    """Positions p with ``p + u(p) = point``, by Newton's method with the field's local derivative.

    Where the field folds there may be several such p, or, beyond what it reads, none: then the best p met on the
    way is returned.

    Args:
        displacement: u, float32 (2, H, W), px, channel 0 = x; beyond its grid it is taken to go on unchanged.
        points: (K, 2), columns (x, y), px, on the grid that the field reads.
        start: first guess (K, 2); by default the best affine map's answer.

    Returns:
        float64 (K, 2), columns (x, y), px, on the grid that the field lies on.
    """
    wanted = np.asarray(points, dtype=np.float64)
    current = _affine_guess(displacement, wanted) if start is None else np.array(start, dtype=np.float64)
    inverse = _inverse_derivative(displacement)
    best, error = current.copy(), np.full(len(wanted), np.inf)
    open_points = np.arange(len(wanted))
    for step in range(_STEPS):
        residual = current + sample(displacement, current) - wanted[open_points]
        now = np.hypot(residual[:, 0], residual[:, 1])
        better = now < error[open_points]
        best[open_points[better]], error[open_points[better]] = current[better], now[better]
        going_on = now > _CLOSE
        if not going_on.any():
            break
        open_points, current, residual = open_points[going_on], current[going_on], residual[going_on]
        # a point that full steps carry to and fro across a kink comes to rest by half ones
        factor = 1.0 if step < _FULL_STEPS else 0.5
        current = current - factor * np.einsum("kij,kj->ki", _at(inverse, current), residual)
    return best


def dense_inverse(displacement: F32) -> F32:
    """Inverse of a displacement field on the same grid, (2, H, W), float32, px: `solve` for every pixel."""
    _, height, width = displacement.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64))
    grid = np.stack([x.ravel(), y.ravel()], axis=1)
    moved = solve(displacement, grid) - grid
    return np.ascontiguousarray(moved.T.reshape(2, height, width), dtype=np.float32)


def _affine_guess(displacement: F32, points: Floats) -> Floats:
    """Answer of the affine map that fits the inverse best."""
    _, height, width = displacement.shape
    x, y = (axis.ravel().astype(np.float64) for axis in np.meshgrid(np.arange(0, width, 4), np.arange(0, height, 4)))
    read = displacement[:, ::4, ::4].reshape(2, -1) + np.stack([x, y])
    terms = np.column_stack([read.T, np.ones(len(x))])
    fitted, *_ = np.linalg.lstsq(terms, np.stack([x, y], axis=1), rcond=None)
    return np.asarray(points @ fitted[:2] + fitted[2])


def _inverse_derivative(displacement: F32) -> Floats:
    """Inverse (H, W, 2, 2) of the derivative of p + u(p), by central differences; folds are taken as flat."""
    field = displacement.astype(np.float64)
    along_y, along_x = (np.asarray(np.gradient(field, axis=axis)) for axis in (1, 2))
    a, b, c, d = 1 + along_x[0], along_y[0], along_x[1], 1 + along_y[1]
    determinant = np.maximum(a * d - b * c, _FLATTEST)
    adjugate = np.stack([d, -b, -c, a], axis=-1).reshape(*a.shape, 2, 2)
    return np.asarray(adjugate / determinant[..., None, None])


def _at(matrices: Floats, points: Floats) -> Floats:
    """Matrices (K, 2, 2) of the pixels nearest to points (K, 2)."""
    height, width = matrices.shape[:2]
    column = np.clip(np.rint(points[:, 0]), 0, width - 1).astype(np.intp)
    row = np.clip(np.rint(points[:, 1]), 0, height - 1).astype(np.intp)
    return np.asarray(matrices[row, column])
