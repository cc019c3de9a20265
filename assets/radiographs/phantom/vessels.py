"""Pulmonary vessels: trunks and segmental vessels common to all subjects, branches of each subject's own.

The trunks leave the hilum at fixed canonical angles and end in bifurcations; from some of these a segmental vessel
goes on to a segmental branch point. Bifurcations and branch points serve as landmarks; all other branches are
random. Angles are degrees, 0 pointing to the side, positive downwards.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom.anatomy import HILUM, SIDES, Curve
from assets.radiographs.phantom.drawing import Canvas, Image

TRUNK_ANGLES = (-74.0, -52.0, -30.0, -10.0, 8.0, 26.0, 42.0, 58.0, 76.0)
TRUNK_LENGTH = 0.16
SEGMENT_ANGLES = (-74.0, -52.0, -30.0, 8.0, 42.0)
SEGMENT_LENGTH = 0.20
_BEND = 14.0
_TRUNK_WIDTH = 0.0175
_SEGMENT_WIDTH = 0.0125
_STEPS = 7
_STEP_LENGTH = 0.023
_TRUNK_GENERATIONS = 4
_SEGMENT_GENERATIONS = 3


@dataclass(frozen=True)
class _Tips:
    """Growing ends of one side: positions (B, 2), angles (B,) in radians, widths (B,) in canonical units."""

    position: npt.NDArray[np.float64]
    angle: npt.NDArray[np.float64]
    width: npt.NDArray[np.float64]


def trunk(side: int, angle: float, samples: int = 8) -> Curve:
    """Center line of a trunk from the hilum to its bifurcation, bent slightly downwards, (samples, 2)."""
    t = np.linspace(0, 1, samples)
    bend = np.deg2rad(angle + _BEND * t)
    start = np.array(HILUM[side])
    line: Curve = start + TRUNK_LENGTH * t[:, None] * np.stack([side * np.cos(bend), np.sin(bend)], axis=-1)
    return line


def bifurcation(side: int, angle: float) -> tuple[float, float]:
    """End of a trunk."""
    x, y = trunk(side, angle)[-1]
    return float(x), float(y)


def segment(side: int, angle: float, samples: int = 8) -> Curve:
    """Center line of the segmental vessel that goes on from a trunk, bent slightly upwards, (samples, 2)."""
    t = np.linspace(0, 1, samples)
    bend = np.deg2rad(angle + _BEND - 0.5 * _BEND * t)
    heading = np.stack([side * np.cos(bend), np.sin(bend)], axis=-1)
    line: Curve = np.array(bifurcation(side, angle)) + SEGMENT_LENGTH * t[:, None] * heading
    return line


def branch_point(side: int, angle: float) -> tuple[float, float]:
    """End of a segmental vessel."""
    x, y = segment(side, angle)[-1]
    return float(x), float(y)


def _grow(tips: _Tips, side: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.float64], _Tips]:
    """Center lines (B, steps + 1, 2) of one generation and its ends."""
    angle, position = tips.angle, tips.position
    line = [position]
    for _ in range(_STEPS):
        angle = angle + rng.normal(0, 0.10, len(angle))
        length = _STEP_LENGTH * (1 + 0.2 * rng.standard_normal(len(angle)))
        heading = np.stack([side * np.cos(angle), np.sin(angle)], axis=-1)
        position = position + length[:, None] * heading
        line.append(position)
    return np.stack(line, axis=1), _Tips(position, angle, tips.width)


def _split(tips: _Tips, rng: np.random.Generator) -> _Tips:
    """Two daughters of each end, the first one wider."""
    count = len(tips.angle)
    turn = np.abs(rng.normal(0.28, 0.10, (2, count)))
    sign = np.where(rng.random(count) < 0.5, 1, -1)
    width = tips.width * np.stack([rng.uniform(0.62, 0.78, count), rng.uniform(0.50, 0.70, count)])
    angle = np.concatenate([tips.angle + sign * turn[0], tips.angle - sign * turn[1]])
    return _Tips(np.tile(tips.position, (2, 1)), angle, width.ravel())


def _beyond(tips: _Tips, generations: int, side: int, rng: np.random.Generator) -> list[tuple[Curve, float]]:
    """Center lines and widths of the individual branches beyond the ends of one side's common vessels."""
    found: list[tuple[Curve, float]] = []
    for _ in range(generations):
        lines, tips = _grow(_split(tips, rng), side, rng)
        found += [(line, float(width)) for line, width in zip(lines, tips.width, strict=True)]
    return found


def _ends(lines: list[Curve], degrees: npt.NDArray[np.float64], width: float, rng: np.random.Generator) -> _Tips:
    """Growing ends of common vessels, with widths of the subject's own."""
    return _Tips(
        np.stack([line[-1] for line in lines]), np.deg2rad(degrees), width * rng.uniform(0.75, 1.1, len(lines))
    )


def _tree(side: int, rng: np.random.Generator) -> list[tuple[Curve, float]]:
    """Center lines and widths of all vessels of one side."""
    trunks = [trunk(side, angle) for angle in TRUNK_ANGLES]
    segments = [segment(side, angle) for angle in SEGMENT_ANGLES]
    trunk_ends = _ends(trunks, np.array(TRUNK_ANGLES) + _BEND, 0.0165, rng)
    segment_ends = _ends(segments, np.array(SEGMENT_ANGLES) + 0.5 * _BEND, _SEGMENT_WIDTH, rng)
    common = [(line, _TRUNK_WIDTH) for line in trunks] + [(line, _SEGMENT_WIDTH) for line in segments]
    own = _beyond(trunk_ends, _TRUNK_GENERATIONS, side, rng) + _beyond(segment_ends, _SEGMENT_GENERATIONS, side, rng)
    return common + own


def draw_vessels(canvas: Canvas, rng: np.random.Generator) -> Image:
    """Thickness of the vessels of both lungs, (H, W), about 0 to 0.1."""
    lines: list[tuple[Curve, float]] = []
    for side in SIDES:
        lines += _tree(side, rng)
    widths = np.array([width for _, width in lines])
    # Few width classes, each drawn in one call, widest last so that thin twigs do not cut through trunks.
    edges = np.geomspace(widths.min(), widths.max() * 1.001, 8)
    drawn = np.zeros((canvas.size, canvas.size), np.float32)
    for low, high in pairwise(edges):
        members = [line for line, width in lines if low <= width < high]
        if members:
            typical = float(np.sqrt(low * high))
            depth = np.float32(0.018 + 4.2 * typical)
            np.maximum(drawn, depth * canvas.stroke(members, typical), out=drawn)
    return canvas.soften(drawn, 0.0045)
