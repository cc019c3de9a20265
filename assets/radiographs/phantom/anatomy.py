"""Outlines of the average chest in canonical coordinates.

Convention:
    canonical coordinates (x, y): x to the image's right, y down, the image of the average subject spans
    about [-1, 1] in both; x < 0 is the patient's right. Curves are float64 (K, 2).
    `side` is -1 for the patient's right lung (image left) and +1 for the left one.
"""

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]

SIDES = (-1, 1)


def curve(*points: tuple[float, float]) -> Curve:
    """Stack points into a (K, 2) curve."""
    return np.array(points, dtype=np.float64)


def mirrored(points: Curve, side: int) -> Curve:
    """Points drawn for the patient's left, moved to the given side."""
    moved: Curve = points * np.array([side, 1.0])
    return moved


def closed_spline(points: Curve, samples: int = 160) -> Curve:
    """Closed Catmull-Rom curve through the points, `samples` points long.

    Source: Catmull and Rom 1974, "A class of local interpolating splines", with tension 1/2.
    """
    count = len(points)
    position = np.arange(samples) * (count / samples)
    segment = position.astype(np.int64)
    t = (position - segment)[:, None]
    before, start, end, after = (points[(segment + k) % count] for k in (-1, 0, 1, 2))
    cubic = -before + 3 * start - 3 * end + after
    square = 2 * before - 5 * start + 4 * end - after
    blended: Curve = 0.5 * (2 * start + (end - before) * t + square * t**2 + cubic * t**3)
    return blended


RIGHT_WALL = curve(
    (-0.285, -0.805), (-0.37, -0.79), (-0.455, -0.72), (-0.53, -0.60), (-0.59, -0.45), (-0.635, -0.28),
    (-0.668, -0.10), (-0.69, 0.08), (-0.705, 0.26), (-0.712, 0.42), (-0.70, 0.56),
)  # fmt: skip
RIGHT_DOME = curve((-0.655, 0.49), (-0.58, 0.41), (-0.49, 0.365), (-0.40, 0.35), (-0.31, 0.365), (-0.235, 0.40))
RIGHT_MEDIAL = curve(
    (-0.175, 0.44), (-0.203, 0.34), (-0.217, 0.21), (-0.207, 0.07), (-0.178, -0.05), (-0.145, -0.16),
    (-0.128, -0.29), (-0.138, -0.40), (-0.122, -0.53), (-0.132, -0.67), (-0.19, -0.765),
)  # fmt: skip
LEFT_WALL = mirrored(RIGHT_WALL, -1) + np.linspace(0, 1, len(RIGHT_WALL))[:, None] ** 4 * np.array([0.005, 0.04])
LEFT_DOME = curve((0.66, 0.53), (0.60, 0.465), (0.53, 0.42), (0.47, 0.405))
LEFT_MEDIAL = curve(
    (0.415, 0.425), (0.402, 0.36), (0.382, 0.27), (0.345, 0.165), (0.296, 0.07), (0.243, -0.03), (0.198, -0.12),
    (0.175, -0.20), (0.147, -0.268), (0.166, -0.335), (0.172, -0.395), (0.148, -0.46), (0.126, -0.55),
    (0.136, -0.67), (0.19, -0.765),
)  # fmt: skip

# The silhouette of heart and great vessels shares its borders with the lungs, so their edges coincide.
SILHOUETTE = closed_spline(
    np.concatenate(
        [
            curve((-0.14, -1.0), (-0.13, -0.84)),
            RIGHT_MEDIAL[-2::-1],
            curve((-0.11, 0.50), (0.05, 0.525), (0.22, 0.515), (0.35, 0.475)),
            LEFT_MEDIAL[:-1],
            curve((0.13, -0.84), (0.14, -1.0)),
        ]
    ),
    240,
)
HEART = closed_spline(
    np.concatenate(
        [
            curve((0.0, -0.12), (-0.10, -0.06)),
            RIGHT_MEDIAL[3::-1],
            curve((-0.11, 0.50), (0.05, 0.525), (0.22, 0.515), (0.35, 0.475)),
            LEFT_MEDIAL[:6],
            curve((0.14, -0.08)),
        ]
    )
)
LUNGS = {
    -1: closed_spline(np.concatenate([RIGHT_WALL, RIGHT_DOME, RIGHT_MEDIAL]), 200),
    1: closed_spline(np.concatenate([LEFT_WALL, LEFT_DOME, LEFT_MEDIAL]), 200),
}
ABDOMEN = np.concatenate(
    [
        curve((-1.3, 0.80), (-0.80, 0.66)),
        RIGHT_WALL[-1:],
        RIGHT_DOME,
        curve((-0.17, 0.44), (-0.02, 0.49), (0.2, 0.49), (0.36, 0.445), (0.42, 0.415)),
        LEFT_DOME[::-1],
        LEFT_WALL[-1:],
        curve((0.80, 0.70), (1.3, 0.85), (1.3, 2.2), (-1.3, 2.2)),
    ]
)
_FLANK = curve(
    (0.0, -1.7), (0.17, -1.6), (0.20, -1.25), (0.22, -1.03), (0.40, -0.94), (0.78, -0.86), (1.02, -0.73),
    (1.13, -0.50), (1.17, -0.10), (1.19, 0.20), (1.00, 0.17), (0.90, 0.10), (0.87, 0.40), (0.88, 0.90),
    (0.92, 1.6), (0.0, 1.9),
)  # fmt: skip


def torso(fat: float) -> Curve:
    """Outline of neck, shoulders, upper arms and trunk; fat (canonical length) widens the trunk."""
    widened = _FLANK + np.outer(np.clip((_FLANK[:, 1] + 0.2) / 0.5, 0, 1) * (_FLANK[:, 0] > 0), [fat, 0.0])
    return closed_spline(np.concatenate([widened, mirrored(widened, -1)[::-1]]), 240)


CLAVICLE = curve(
    (0.075, -0.555), (0.15, -0.60), (0.26, -0.638), (0.38, -0.682), (0.50, -0.735), (0.62, -0.770), (0.74, -0.780),
    (0.87, -0.770),
)  # fmt: skip
SCAPULA = closed_spline(
    curve(
        (0.68, -0.72), (0.70, -0.45), (0.73, -0.14), (0.79, 0.04), (0.84, -0.03), (0.89, -0.28), (0.97, -0.50),
        (1.0, -0.66), (0.86, -0.70),
    ),
    72,
)  # fmt: skip
HUMERAL_HEAD = (1.08, -0.66)
TRACHEA = curve((0.0, -1.3), (-0.002, -0.85), (-0.006, -0.55), (-0.012, -0.36))
RIGHT_BRONCHUS = curve((-0.012, -0.365), (-0.065, -0.28), (-0.115, -0.19), (-0.145, -0.12))
LEFT_BRONCHUS = curve((-0.012, -0.365), (0.06, -0.275), (0.125, -0.215), (0.18, -0.17))
MINOR_FISSURE = curve((-0.25, -0.085), (-0.45, -0.12), (-0.668, -0.10))
HILUM = {-1: (-0.172, -0.085), 1: (0.192, -0.135)}


def ellipse(center: tuple[float, float], radii: tuple[float, float], samples: int = 48) -> Curve:
    """Axis-parallel ellipse, (samples, 2)."""
    angle = np.linspace(0, 2 * np.pi, samples, endpoint=False)
    return np.array(center) + np.stack([radii[0] * np.cos(angle), radii[1] * np.sin(angle)], axis=-1)


def row_extent(outline: Curve, y: float) -> tuple[float, float]:
    """Smallest and largest x where a closed outline crosses the row y.

    Raises:
        ValueError: the outline does not reach the row.
    """
    follower = np.roll(outline, -1, axis=0)
    crossing = (outline[:, 1] <= y) != (follower[:, 1] <= y)
    if not crossing.any():
        raise ValueError(f"y: expected a row between {outline[:, 1].min()} and {outline[:, 1].max()}, got {y}")
    start, end = outline[crossing], follower[crossing]
    x = start[:, 0] + (y - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end[:, 0] - start[:, 0])
    return float(x.min()), float(x.max())
