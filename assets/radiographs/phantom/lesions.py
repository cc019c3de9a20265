"""Lesions: what they add to the attenuation and where they lie."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom.anatomy import LUNGS, SIDES, curve, row_extent
from assets.radiographs.phantom.drawing import Canvas, Image, smoothstep

LesionKind = Literal["consolidation", "nodules", "apical_tb", "reticular", "effusion", "miliary", "cavity"]
LESION_KINDS: tuple[LesionKind, ...] = get_args(LesionKind)
_BOTH_SIDES = 0.3


@dataclass(frozen=True, eq=False)
class Lesion:
    """What a lesion adds to the attenuation (H, W) and its extent (H, W), uint8, 1 inside."""

    attenuation: Image
    extent: npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class _Site:
    """Where a lesion is drawn: the subject's canvas, the side of the chest, the lesion's own randomness."""

    canvas: Canvas
    side: int
    rng: np.random.Generator

    def place(self, top: float, bottom: float, margin: float = 0.25) -> tuple[float, float]:
        """A canonical point of the lung between two fractions of its height, away from its borders."""
        outline = LUNGS[self.side]
        highest, lowest = float(outline[:, 1].min()), float(outline[:, 1].max())
        y = highest + self.rng.uniform(top, bottom) * (lowest - highest)
        low, high = row_extent(outline, y)
        return low + self.rng.uniform(margin, 1 - margin) * (high - low), y

    def radius_map(self, center: tuple[float, float], radius: float, aspect: float = 1, wobble: float = 0.25) -> Image:
        """Distance from a canonical center in units of the radius, with an irregular border, (H, W)."""
        canvas = self.canvas
        x, y = canvas.points(curve(center))[0]
        angle, reach = self.rng.uniform(0, np.pi), canvas.length(radius)
        rows, columns = np.mgrid[: canvas.size, : canvas.size].astype(np.float32)
        across = np.cos(angle) * (columns - x) + np.sin(angle) * (rows - y)
        along = (np.cos(angle) * (rows - y) - np.sin(angle) * (columns - x)) / aspect
        border = wobble * canvas.noise(self.rng, radius * 1.1, 3)
        result: Image = (np.hypot(across, along) / reach + border).astype(np.float32)
        return result


def _cloud(distance: Image, softness: float) -> Image:
    """1 inside, 0 outside of distance 1, falling over `softness` radii."""
    return smoothstep((1 - distance) / softness + np.float32(0.5))


def _consolidation(site: _Site) -> tuple[Image, Image]:
    center, radius = site.place(0.30, 0.78), site.rng.uniform(0.15, 0.27)
    extent = _cloud(site.radius_map(center, radius, site.rng.uniform(0.7, 1.4), 0.22), 0.75)
    texture = 0.30 + 0.06 * site.canvas.noise(site.rng, 0.07, 3)
    return extent * np.clip(texture, 0.05, None), extent


def _sphere(distance: Image) -> Image:
    """Thickness of a ball with a slightly blurred edge."""
    return smoothstep(np.sqrt(np.clip(1.05 - distance**2, 0, None)) * np.float32(1.1))


def _nodules(site: _Site) -> tuple[Image, Image]:
    attenuation = np.zeros((site.canvas.size, site.canvas.size), np.float32)
    extent = attenuation.copy()
    for _ in range(site.rng.integers(1, 5)):
        center, radius = site.place(0.12, 0.82, 0.18), site.rng.uniform(0.030, 0.075)
        distance = site.radius_map(center, radius, site.rng.uniform(0.85, 1.15), 0.06)
        attenuation = np.maximum(attenuation, _sphere(distance) * np.float32(site.rng.uniform(0.20, 0.32)))
        extent = np.maximum(extent, _cloud(distance, 0.2))
    return attenuation, extent


def _apical_tb(site: _Site) -> tuple[Image, Image]:
    center, radius = site.place(0.12, 0.30), site.rng.uniform(0.13, 0.21)
    extent = _cloud(site.radius_map(center, radius, site.rng.uniform(0.75, 1.2), 0.25), 0.9)
    patches = np.abs(site.canvas.noise(site.rng, 0.07, 3))
    streaks = np.exp(-((site.canvas.noise(site.rng, 0.09, 2) / 0.25) ** 2))
    return extent * (0.08 + 0.15 * patches + 0.09 * streaks).astype(np.float32), extent


def _reticular(site: _Site) -> tuple[Image, Image]:
    center, radius = site.place(0.55, 0.80), site.rng.uniform(0.28, 0.42)
    extent = _cloud(site.radius_map(center, radius, site.rng.uniform(0.9, 1.3), 0.2), 0.9)
    meshes = [np.exp(-((site.canvas.noise(site.rng, cell, 1) / 0.22) ** 2)) for cell in (0.055, 0.035)]
    return extent * (0.05 + 0.10 * meshes[0] + 0.07 * meshes[1]).astype(np.float32), extent


def _effusion(site: _Site) -> tuple[Image, Image]:
    """Fluid below a meniscus that rises toward the chest wall."""
    base, height, side = float(LUNGS[site.side][:, 1].max()), site.rng.uniform(0.30, 0.60), site.side
    x = np.linspace(0.05, 0.95, 24)
    # The dome rises 0.2 above the costophrenic corner; the fluid covers it toward the heart.
    shallow = 0.17 + 0.30 * (height - 0.17)
    level = base - shallow - (height - shallow) * np.clip((x - 0.2) / 0.5, 0, 1) ** 2.2
    surface = np.stack([side * x, level], axis=-1)
    fluid = np.concatenate([surface, curve((side * 0.95, base + 0.4), (side * 0.05, base + 0.4))])
    filled = site.canvas.fill(fluid)
    density = 0.75 * site.canvas.soften(filled, 0.022) + 0.25 * site.canvas.soften(filled, 0.08)
    # Gaussian tails are cut: the radiograph beyond the lesion must stay the lesion-free one.
    density = smoothstep((density - np.float32(0.03)) / np.float32(0.97))
    return density * np.float32(site.rng.uniform(0.26, 0.38)), density


def _miliary(site: _Site) -> tuple[Image, Image]:
    center = site.place(0.35, 0.60)
    extent = _cloud(site.radius_map(center, site.rng.uniform(0.45, 0.60), 1.3, 0.15), 0.6)
    size, reach = site.canvas.size, site.canvas.length(0.0085)
    dots = np.zeros((size, size), np.float32)
    seeds = site.rng.uniform(0, size, (int(0.045 * (size / reach) ** 2 / 2), 2))
    brightness = site.rng.uniform(0.5, 1, len(seeds)).astype(np.float32)
    np.maximum.at(dots, (seeds[:, 1].astype(int), seeds[:, 0].astype(int)), brightness)
    blurred = np.asarray(cv2.GaussianBlur(dots, (0, 0), reach), np.float32)
    return extent * (0.03 + 0.14 * np.clip(blurred * np.float32(2 * np.pi * reach**2), 0, 1.6)), extent


def _cavity(site: _Site) -> tuple[Image, Image]:
    center, radius = site.place(0.16, 0.42), site.rng.uniform(0.075, 0.125)
    distance = site.radius_map(center, radius, site.rng.uniform(0.85, 1.15), 0.10)
    wall = np.clip(_cloud(distance, 0.25) - 0.9 * _cloud(distance / np.float32(0.66), 0.3), 0, 1)
    halo = _cloud(distance / np.float32(1.7), 1.0)
    extent = _cloud(distance / np.float32(1.15), 0.3)
    return (0.28 * wall + 0.09 * halo).astype(np.float32), extent


def _draw(kind: LesionKind) -> Callable[[_Site], tuple[Image, Image]]:
    match kind:
        case "consolidation":
            return _consolidation
        case "nodules":
            return _nodules
        case "apical_tb":
            return _apical_tb
        case "reticular":
            return _reticular
        case "effusion":
            return _effusion
        case "miliary":
            return _miliary
        case "cavity":
            return _cavity


def draw_lesion(
    kind: LesionKind, canvas: Canvas, lungs: npt.NDArray[np.uint8], rng: np.random.Generator, strength: float = 1.0
) -> Lesion:
    """Draw a lesion in one lung or, in about a third of cases, in both.

    Args:
        kind: what to draw.
        canvas: the subject's image.
        lungs: (H, W) uint8, 0 background, 1 patient-right, 2 patient-left.
        rng: the lesion's own generator.
        strength: factor on the added attenuation; 0 adds nothing but keeps the extent.

    Returns:
        The added attenuation, zero outside the softened lungs, and the extent inside them.
    """
    sides = SIDES if rng.random() < _BOTH_SIDES else (SIDES[rng.integers(2)],)
    attenuation = np.zeros((canvas.size, canvas.size), np.float32)
    extent = attenuation.copy()
    painter = _draw(kind)
    for side in sides:
        own_lung = (lungs == (1 if side < 0 else 2)).astype(np.float32)
        added, covered = painter(_Site(canvas, side, rng))
        attenuation += np.clip(added, 0, None) * canvas.soften(own_lung, 0.008)
        extent = np.maximum(extent, covered * own_lung)
    return Lesion(attenuation * np.float32(strength), (extent >= 0.5).astype(np.uint8))
