"""A subject: posture, size, breathing and shape as a smooth invertible map of the canonical chest.

Convention:
    to_pixels maps canonical (x, y) to pixel coordinates (x, y), pixel centers at integers;
    pixel 0 of a `size`-pixel image spans canonical image coordinates [-1, -1 + 2 / size].
    true_displacement is a backward map: fixed pixel p shows the anatomy of moving pixel p + u(p).
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Points = npt.NDArray[np.float64]
ELASTIC_KNOTS = 7
_ELASTIC_REACH = 1.5
_ELASTIC_DEVIATION = 0.041
_DOME_DEVIATION = 0.022
_APEX = -0.8
_NEWTON_STEPS = 12
_BASE_SCALE = 1.10
_BASE_SHIFT = 0.09


def _no_elastic() -> Points:
    return np.zeros((2, ELASTIC_KNOTS, ELASTIC_KNOTS))


@dataclass(frozen=True, eq=False)
class Subject:
    """Parameters of the map; the defaults are the average subject.

    Attributes:
        inspiration: height of the lungs relative to the average.
        width: width of the chest relative to the average.
        asymmetry: the patient's left half is wider by this fraction, the right one narrower.
        taper: relative widening of the base against the apex.
        scoliosis: sideways bow of the spine, canonical length.
        yaw: sideways shift of the midline against the chest wall, canonical length.
        dome: the left dome is lower by this, the right one higher, canonical length.
        rotation: rotation in the image plane, degrees, clockwise on the screen.
        scale: canonical length to half image sides.
        shear: sideways shift per height.
        shift_x, shift_y: shift, half image sides.
        elastic: (2, K, K) coefficients of a cubic B-spline displacement, canonical length; axes x/y, row, column.
    """

    inspiration: float = 1.0
    width: float = 1.0
    asymmetry: float = 0.0
    taper: float = 0.0
    scoliosis: float = 0.0
    yaw: float = 0.0
    dome: float = 0.0
    rotation: float = 0.0
    scale: float = _BASE_SCALE
    shear: float = 0.0
    shift_x: float = 0.0
    shift_y: float = _BASE_SHIFT
    elastic: Points = field(default_factory=_no_elastic)


def _bounded_normal(rng: np.random.Generator, deviation: float) -> float:
    # A tail beyond 2.5 deviations could fold the map.
    return float(np.clip(rng.standard_normal(), -2.5, 2.5)) * deviation


def draw_subject(rng: np.random.Generator, spread: float = 1.0) -> Subject:
    """Draw a subject; spread scales every deviation from the average one (0 gives the average)."""
    elastic = np.clip(rng.standard_normal((2, ELASTIC_KNOTS, ELASTIC_KNOTS)), -2.5, 2.5)
    return Subject(
        inspiration=1 + spread * rng.uniform(-0.20, 0.13),
        width=1 + spread * rng.uniform(-0.14, 0.11),
        asymmetry=spread * rng.uniform(-0.06, 0.06),
        taper=spread * rng.uniform(-0.10, 0.12),
        scoliosis=_bounded_normal(rng, 0.022 * spread),
        yaw=_bounded_normal(rng, 0.025 * spread),
        dome=_bounded_normal(rng, _DOME_DEVIATION * spread),
        rotation=_bounded_normal(rng, 2.8 * spread),
        scale=_BASE_SCALE * (1 + spread * rng.uniform(-0.13, 0.07)),
        shear=_bounded_normal(rng, 0.02 * spread),
        shift_x=_bounded_normal(rng, 0.045 * spread),
        shift_y=_BASE_SHIFT + _bounded_normal(rng, 0.04 * spread),
        elastic=elastic * (_ELASTIC_DEVIATION * spread),
    )


def _cubic_weights(t: Points) -> Points:
    return np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6


def _elastic_offset(coefficients: Points, x: Points, y: Points) -> tuple[Points, Points]:
    """Uniform cubic B-spline displacement; outside its grid the border value is kept."""
    cells = ELASTIC_KNOTS - 3
    u, v = (np.clip((c / _ELASTIC_REACH + 1) / 2 * cells, 0, cells - 1e-9) for c in (x, y))
    column, row = u.astype(np.int64), v.astype(np.int64)
    across, down = _cubic_weights(u - column), _cubic_weights(v - row)
    offset_x, offset_y = np.zeros_like(x), np.zeros_like(y)
    for j in range(4):
        for i in range(4):
            weight = down[j] * across[i]
            offset_x += weight * coefficients[0, row + j, column + i]
            offset_y += weight * coefficients[1, row + j, column + i]
    return offset_x, offset_y


def _breathe(subject: Subject, x: Points, y: Points) -> Points:
    """Height after inspiration: domes move, the apex stays, the body below the chest moves along."""
    below = 1 / (1 + np.exp(-(y - 0.15) / 0.09))
    y = y + subject.dome * below * np.tanh(x / 0.2)
    reach = 1 / (1 + np.exp((y - 0.9) / 0.25))
    result: Points = _APEX + (y - _APEX) * (1 + (subject.inspiration - 1) * reach)
    return result


def _widen(subject: Subject, x: Points, y: Points) -> Points:
    """Sideways position after width, asymmetry, taper, scoliosis and yaw."""
    x = x * (subject.width + subject.asymmetry * np.tanh(x / 0.15)) * (1 + subject.taper * np.clip(y, -1.5, 1.5))
    bow = np.clip(y, -1.2, 1.2) ** 2 - 0.3
    result: Points = x + subject.scoliosis * bow + subject.yaw * np.exp(-((x / 0.5) ** 2))
    return result


def to_pixels(subject: Subject, points: npt.ArrayLike, size: int) -> Points:
    """Map canonical points (K, 2) to pixel-center coordinates (K, 2) of a size x size image."""
    canonical = np.asarray(points, dtype=np.float64)
    y = _breathe(subject, canonical[:, 0], canonical[:, 1])
    x = _widen(subject, canonical[:, 0], y)
    offset_x, offset_y = _elastic_offset(subject.elastic, x, y)
    x, y = x + offset_x, y + offset_y
    angle = np.deg2rad(subject.rotation)
    cos, sin = subject.scale * np.cos(angle), subject.scale * np.sin(angle)
    image_x = cos * x - sin * y + subject.shear * y + subject.shift_x
    image_y = sin * x + cos * y + subject.shift_y
    return (np.stack([image_x, image_y], axis=-1) + 1) * (size / 2) - 0.5


def _first_guess(subject: Subject, pixels: Points, size: int) -> Points:
    """Canonical points by the map's affine part alone."""
    image = (pixels + 0.5) * (2 / size) - 1 - np.array([subject.shift_x, subject.shift_y])
    angle = np.deg2rad(subject.rotation)
    cos, sin = np.cos(angle) / subject.scale, np.sin(angle) / subject.scale
    x, y = cos * image[:, 0] + sin * image[:, 1], -sin * image[:, 0] + cos * image[:, 1]
    return np.stack([x / subject.width, _APEX + (y - _APEX) / subject.inspiration], axis=-1)


def _newton_step(subject: Subject, canonical: Points, pixels: Points, size: int) -> tuple[Points, Points]:
    """Residual in pixels (K, 2) and the canonical step that removes its linear part (K, 2)."""
    step = 1e-5
    here = to_pixels(subject, canonical, size)
    by_x = (to_pixels(subject, canonical + np.array([step, 0.0]), size) - here) / step
    by_y = (to_pixels(subject, canonical + np.array([0.0, step]), size) - here) / step
    residual = pixels - here
    determinant = by_x[:, 0] * by_y[:, 1] - by_y[:, 0] * by_x[:, 1]
    dx = (by_y[:, 1] * residual[:, 0] - by_y[:, 0] * residual[:, 1]) / determinant
    dy = (by_x[:, 0] * residual[:, 1] - by_x[:, 1] * residual[:, 0]) / determinant
    return residual, np.clip(np.stack([dx, dy], axis=-1), -0.3, 0.3)


def to_canonical(subject: Subject, pixels: npt.ArrayLike, size: int) -> Points:
    """Canonical points (K, 2) of pixel-center coordinates (K, 2); the inverse of to_pixels.

    Newton's method to 1e-4 px or 12 steps, from the affine part of the map. Points of the image and its
    near surroundings converge for every subject that draw_subject gives at spread <= 1.
    """
    target = np.asarray(pixels, dtype=np.float64)
    canonical = _first_guess(subject, target, size)
    open_ = np.arange(len(target))
    for _ in range(_NEWTON_STEPS):
        residual, move = _newton_step(subject, canonical[open_], target[open_], size)
        canonical[open_] += move
        open_ = open_[np.abs(residual).max(axis=1) > 1e-4]
        if not len(open_):
            break
    return canonical


def true_displacement(fixed: Subject, moving: Subject, size: int) -> npt.NDArray[np.float32]:
    """Dense correspondence of two subjects as a displacement field (2, H, W), float32, pixels.

    Channel 0 is x, 1 is y; backward: the anatomy at pixel p of the fixed subject lies at p + u(p) of the
    moving one. Valid wherever the fixed subject's map is invertible, which covers the image.
    """
    rows, columns = np.mgrid[:size, :size].astype(np.float64)
    grid = np.stack([columns.ravel(), rows.ravel()], axis=-1)
    target = to_pixels(moving, to_canonical(fixed, grid, size), size)
    displacement: npt.NDArray[np.float32] = (target - grid).T.reshape(2, size, size).astype(np.float32)
    return displacement
