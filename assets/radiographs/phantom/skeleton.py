"""Ribs and vertebrae of the average chest, in canonical coordinates.

Ribs are numbered 1 to 10 from the top. Each runs from the spine along the back to the chest wall (posterior
part, dense and nearly level) and returns down the front (anterior part, faint and oblique).

Bones belong to the chest wall, and the lung slides along the wall with breath and posture: a RibCage shifts ribs
and spine against the lung, on top of the subject's map. The drift at the wall is about a sixth of a rib spacing
(root mean square), small enough for registration by mutual information to succeed.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom.anatomy import LEFT_WALL, SIDES, Curve, curve, mirrored

RIBS = tuple(range(1, 11))
ANTERIOR_RIBS = tuple(range(1, 8))
RIB_SPACING = 0.122
_SPINE_X = 0.075
_WALL_MARGIN = 0.012
_MIDDLE = -0.28
_SHIFT = 0.010
_STRETCH = 0.006
_SIDE_SHIFT = 0.006
_SLOPE = 0.015
_JITTER = 0.008


def _no_offset() -> npt.NDArray[np.float64]:
    return np.zeros((len(SIDES), len(RIBS)))


@dataclass(frozen=True, eq=False)
class RibCage:
    """Drift of the bones against the soft tissue; the defaults are the average cage.

    Attributes:
        shift: the whole cage with the spine is lower by this, canonical length.
        stretch: relative change of the intercostal spaces and vertebral heights.
        heads, walls, fronts: (2, 10) further descent of each rib's head, of its crossing with the chest wall and
            of its front end against that crossing, canonical length; axes side (right, left) and rib.
    """

    shift: float = 0.0
    stretch: float = 0.0
    heads: npt.NDArray[np.float64] = field(default_factory=_no_offset)
    walls: npt.NDArray[np.float64] = field(default_factory=_no_offset)
    fronts: npt.NDArray[np.float64] = field(default_factory=_no_offset)

    def settled(self, y: float) -> float:
        """Height where the shifted and stretched cage has what the average one has at y."""
        return y + self.shift + self.stretch * (y - _MIDDLE)


AVERAGE_CAGE = RibCage()


def draw_cage(rng: np.random.Generator) -> RibCage:
    """Draw a subject's cage: common shift and stretch, offset and slope of each side, jitter of each rib."""
    shift, stretch = np.clip(rng.standard_normal(2), -2, 2) * np.array([_SHIFT, _STRETCH])
    side_shift, slope, front_slope = np.clip(rng.standard_normal((3, len(SIDES), 1)), -2, 2)
    jitter = _JITTER * np.clip(rng.standard_normal((3, len(SIDES), len(RIBS))), -2, 2)
    heads = 0.5 * _SIDE_SHIFT * side_shift + jitter[0]
    walls = _SIDE_SHIFT * side_shift + _SLOPE * slope + jitter[1]
    return RibCage(float(shift), float(stretch), heads, walls, _SLOPE * front_slope + jitter[2])


def _head_height(rib: int, side: int, cage: RibCage) -> float:
    return cage.settled(-0.83 + RIB_SPACING * (rib - 1)) + float(cage.heads[SIDES.index(side), rib - 1])


def _wall_point(rib: int, side: int, cage: RibCage) -> tuple[float, float]:
    """Where a rib turns from the back to the front: on the chest wall, whatever its height."""
    offset = float(cage.walls[SIDES.index(side), rib - 1])
    if rib == 1:
        return 0.40, cage.settled(-0.70) + offset
    y = cage.settled(-0.725 + (RIB_SPACING + 0.020) * rib - RIB_SPACING) + offset
    return float(np.interp(y, LEFT_WALL[:, 1], LEFT_WALL[:, 0])) + _WALL_MARGIN, y


def posterior_rib(rib: int, side: int, cage: RibCage = AVERAGE_CAGE, samples: int = 24) -> Curve:
    """Center line of the posterior part, from the spine to the chest wall, (samples, 2)."""
    head_y = _head_height(rib, side, cage)
    wall_x, wall_y = _wall_point(rib, side, cage)
    t = np.linspace(0, 1, samples)
    x = _SPINE_X + (wall_x - _SPINE_X) * np.sin(t * np.pi / 2)
    y = head_y - 0.035 * np.sin(np.pi * t**0.8) + (wall_y - head_y) * t**2.4
    return mirrored(np.stack([x, y], axis=-1), side)


def anterior_rib(rib: int, side: int, cage: RibCage = AVERAGE_CAGE, samples: int = 20) -> Curve:
    """Center line of the anterior part, from the chest wall to the costal cartilage, (samples, 2)."""
    wall_x, wall_y = _wall_point(rib, side, cage)
    descent = 0.17 + 0.012 * rib + float(cage.fronts[SIDES.index(side), rib - 1])
    t = np.linspace(0, np.pi / 2, samples)
    x = wall_x - (wall_x - 0.21 - 0.022 * rib) * (1 - np.cos(t))
    y = wall_y + descent * np.sin(t) ** 0.9
    return mirrored(np.stack([x, y], axis=-1), side)


def _vertebra_top(level: int, cage: RibCage) -> float:
    return cage.settled(-1.30 + RIB_SPACING * level)


def vertebra(level: int, cage: RibCage = AVERAGE_CAGE) -> Curve:
    """Outline of a vertebral body with a slight waist; level 0 lies at the neck, 21 below the diaphragm."""
    top = _vertebra_top(level, cage)
    left = curve((-0.062, top), (-0.055, top + 0.05), (-0.062, top + 0.10))
    return np.concatenate([left, mirrored(left, -1)[::-1]])


VERTEBRAE = tuple(range(22))


def pedicles(level: int, cage: RibCage = AVERAGE_CAGE) -> tuple[tuple[float, float], tuple[float, float]]:
    """Centers of the two pedicles of a vertebra."""
    y = _vertebra_top(level, cage) + 0.035
    return (-0.040, y), (0.040, y)


def spinous_process(level: int, cage: RibCage = AVERAGE_CAGE) -> Curve:
    """Center line of a spinous process."""
    y = _vertebra_top(level, cage)
    return curve((0.0, y + 0.06), (0.0, y + 0.11))
