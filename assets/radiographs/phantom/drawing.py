"""Drawing canonical curves into a subject's image."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom.anatomy import Curve
from assets.radiographs.phantom.subject import Subject, to_pixels

Image = npt.NDArray[np.float32]
_SUBPIXEL_BITS = 4
_OVERSAMPLING = 4


def smoothstep(x: Image) -> Image:
    """0 below 0, 1 above 1, 3x^2 - 2x^3 between: a soft edge that ends, so nothing leaks far away."""
    t = np.clip(x, 0, 1)
    result: Image = t * t * (3 - 2 * t)
    return result


def soften(image: Image, sigma: float) -> Image:
    """Gaussian blur of `sigma` pixels with the border repeated; wide ones run on a reduced copy."""
    if sigma < 0.25:
        return image
    reduction = 4 if sigma >= 12 else 2 if sigma >= 5 else 1
    height, width = image.shape
    small = image
    if reduction > 1:
        small = np.asarray(
            cv2.resize(image, (width // reduction, height // reduction), interpolation=cv2.INTER_AREA), np.float32
        )
    blurred = cv2.GaussianBlur(small, (0, 0), sigma / reduction, borderType=cv2.BORDER_REPLICATE)
    if reduction > 1:
        blurred = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(blurred, np.float32)


def smooth_noise(rng: np.random.Generator, size: int, cell: float, octaves: int = 3) -> Image:
    """Noise (size, size) of about unit variance with structures of `cell` pixels and finer octaves."""
    total, power, amplitude = np.zeros((size, size), np.float32), 0.0, 1.0
    for octave in range(octaves):
        knots = max(2, round(size / cell * 2**octave))
        lattice = rng.standard_normal((knots, knots), np.float32)
        total += amplitude * np.asarray(cv2.resize(lattice, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
        power += amplitude**2
        amplitude *= 0.55
    return total / np.float32(np.sqrt(power))


@dataclass(frozen=True, eq=False)
class Canvas:
    """A subject's square image; every curve, width and radius is given in canonical units."""

    subject: Subject
    size: int

    def points(self, canonical: Curve) -> npt.NDArray[np.float64]:
        """Canonical points (K, 2) as pixel-center coordinates (K, 2)."""
        return to_pixels(self.subject, canonical, self.size)

    def length(self, canonical: float) -> float:
        """A canonical length in pixels, without the subject's local deformation."""
        return canonical * self.subject.scale * self.size / 2

    def soften(self, image: Image, radius: float) -> Image:
        """Gaussian blur with a canonical radius."""
        return soften(image, self.length(radius))

    def noise(self, rng: np.random.Generator, cell: float, octaves: int = 3) -> Image:
        """Smooth noise with structures of a canonical size."""
        return smooth_noise(rng, self.size, max(1.0, self.length(cell)), octaves)

    def fill(self, *outlines: Curve) -> Image:
        """Anti-aliased polygons, (size, size) in [0, 1]."""
        drawn = np.zeros((self.size, self.size), np.uint8)
        for outline in self._fixed_point(outlines):
            cv2.fillPoly(drawn, [outline], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        return drawn.astype(np.float32) / np.float32(255)

    def stroke(self, lines: Sequence[Curve], width: float, values: float | Sequence[float] = 1.0) -> Image:
        """Anti-aliased lines of a canonical width, (size, size) in [0, 1].

        A line thinner than a pixel is drawn one pixel wide and correspondingly fainter. Where lines cross, the
        later one covers the earlier one.

        Args:
            lines: at least one center line (K, 2).
            width: width of all of them.
            values: gray value of all lines, or one for each.
        """
        pixels = max(1e-3, self.length(width))
        thickness = max(1, round(pixels))
        levels = np.broadcast_to(np.round(255 * min(1.0, pixels / thickness) * np.asarray(values)), len(lines))
        drawn = np.zeros((self.size, self.size), np.uint8)
        for line, level in zip(self._fixed_point(lines), levels.tolist(), strict=True):
            cv2.polylines(drawn, [line], False, level, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
        return drawn.astype(np.float32) / np.float32(255)

    def region(self, outline: Curve) -> npt.NDArray[np.bool_]:
        """Pixels of which the outline covers at least half, (size, size).

        Drawn on a finer grid, because a polygon filled directly also takes its border pixels.
        """
        side = self.size * _OVERSAMPLING
        fine = np.zeros((side, side), np.uint8)
        corners = (self.points(outline) + 0.5) * _OVERSAMPLING - 0.5
        cv2.fillPoly(fine, [_to_fixed_point(corners)], 255, cv2.LINE_8, _SUBPIXEL_BITS)
        coverage = np.asarray(cv2.resize(fine, (self.size, self.size), interpolation=cv2.INTER_AREA))
        return coverage >= 128

    def _fixed_point(self, curves: Sequence[Curve]) -> list[npt.NDArray[np.int32]]:
        # One evaluation of the map for all curves: its cost hardly depends on the number of points.
        ends = np.cumsum([len(curve) for curve in curves])[:-1]
        return np.split(_to_fixed_point(self.points(np.concatenate(curves))), ends)


def _to_fixed_point(pixels: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
    return np.round(pixels * (1 << _SUBPIXEL_BITS)).astype(np.int32)
