"""Ribs and vertebrae of the average chest, in canonical coordinates.

Ribs are numbered 1 to 10 from the top. Each runs from the spine along the back to the chest wall (posterior
part, dense and nearly level) and returns down the front (anterior part, faint and oblique).
"""

import numpy as np

from assets.radiographs.phantom.anatomy import LEFT_WALL, Curve, curve, mirrored

RIBS = tuple(range(1, 11))
ANTERIOR_RIBS = tuple(range(1, 8))
_SPINE_X = 0.075
_WALL_MARGIN = 0.012


def _head_height(rib: int) -> float:
    return -0.83 + 0.122 * (rib - 1)


def _wall_point(rib: int) -> tuple[float, float]:
    if rib == 1:
        return 0.40, -0.70
    y = _head_height(rib) + 0.105 + 0.020 * rib
    return float(np.interp(y, LEFT_WALL[:, 1], LEFT_WALL[:, 0])) + _WALL_MARGIN, y


def posterior_rib(rib: int, side: int, samples: int = 24) -> Curve:
    """Center line of the posterior part, from the spine to the chest wall, (samples, 2)."""
    wall_x, wall_y = _wall_point(rib)
    t = np.linspace(0, 1, samples)
    x = _SPINE_X + (wall_x - _SPINE_X) * np.sin(t * np.pi / 2)
    y = _head_height(rib) - 0.035 * np.sin(np.pi * t**0.8) + (wall_y - _head_height(rib)) * t**2.4
    return mirrored(np.stack([x, y], axis=-1), side)


def anterior_rib(rib: int, side: int, samples: int = 20) -> Curve:
    """Center line of the anterior part, from the chest wall to the costal cartilage, (samples, 2)."""
    wall_x, wall_y = _wall_point(rib)
    t = np.linspace(0, np.pi / 2, samples)
    x = wall_x - (wall_x - 0.21 - 0.022 * rib) * (1 - np.cos(t))
    y = wall_y + (0.17 + 0.012 * rib) * np.sin(t) ** 0.9
    return mirrored(np.stack([x, y], axis=-1), side)


def vertebra(level: int) -> Curve:
    """Outline of a vertebral body with a slight waist; level 0 lies at the neck, 21 below the diaphragm."""
    top = -1.30 + 0.122 * level
    left = curve((-0.062, top), (-0.055, top + 0.05), (-0.062, top + 0.10))
    return np.concatenate([left, mirrored(left, -1)[::-1]])


VERTEBRAE = tuple(range(22))


def pedicles(level: int) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centers of the two pedicles of a vertebra."""
    y = -1.30 + 0.122 * level + 0.035
    return (-0.040, y), (0.040, y)


def spinous_process(level: int) -> Curve:
    """Center line of a spinous process."""
    y = -1.30 + 0.122 * level
    return curve((0.0, y + 0.06), (0.0, y + 0.11))


def height_at(line: Curve, x: float) -> float:
    """Height y where a center line that is monotone in x passes x.

    Raises:
        ValueError: the line does not reach x.
    """
    ordered = line[np.argsort(line[:, 0])]
    if not ordered[0, 0] <= x <= ordered[-1, 0]:
        raise ValueError(f"x: expected a value in [{ordered[0, 0]:.3f}, {ordered[-1, 0]:.3f}], got {x}")
    return float(np.interp(x, ordered[:, 0], ordered[:, 1]))
