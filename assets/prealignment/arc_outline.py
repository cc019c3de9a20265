"""Outline of one lung as a closed curve, with a coordinate along it that corresponding points share."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from skimage.measure import find_contours

from assets.prealignment.lung_tilt import Patch, Upright

Floats = npt.NDArray[np.float64]

_STEP = 1.0
_ARCS = 3
# the medial border of a left lung slants, so its corner with the base stands out by depth more than by side
_DEPTH = 2.0
# as a share of the lung's height, so that lungs of every size are smoothed alike
_CALM = 0.07


@dataclass(frozen=True)
class ArcOutline:
    """Closed outline of a lung, once around from apex over lateral base and medial base to the apex.

    Attributes:
        along: coordinate (n,), increasing from 0 to 3: 0 at the apex, 1 at the lateral base, 2 at the medial base, 3
            at the apex again; between two of these it grows with the arc length of a much smoothed copy.
        points: (n, 2), columns (x, y), px in the image; the first is the last.
    """

    along: Floats
    points: Floats

    def at(self, along: Floats) -> Floats:
        """Points (K, 2) of the outline at coordinates (K,) from 0 to 3."""
        return np.stack([np.interp(along, self.along, axis) for axis in self.points.T], axis=1)


def arc_outline(patch: Patch, label: int, upright: Upright, smoothing: float) -> ArcOutline:
    """Outline of a lung cut out by `lung_patch`.

    The apex is the highest point; the corners of the base are the points furthest down and to either side, in units
    of the lung's height and width. All three are looked for upright. Of several parts the largest is taken; holes
    don't count.

    Args:
        patch: mask with an empty margin, and the (x, y) of its first pixel in the image.
        label: 1 = patient-right lung (lateral is left in the image), 2 = patient-left.
        upright: rotation of the image to the reference's tilt.
        smoothing: Gaussian sigma along the outline, px.
    """
    points = _smooth(_evenly(_contour(*patch)), smoothing)
    calm = _smooth(points, _CALM * float(np.ptp(points[:, 1])))
    corners = _corners(upright.apply(points), upright.apply(calm), label)
    if (corners[1] - corners[0]) % len(points) > (corners[2] - corners[0]) % len(points):
        points, calm, corners = points[::-1], calm[::-1], len(points) - 1 - corners
    points, calm = (np.roll(curve, -corners[0], axis=0) for curve in (points, calm))
    corners = np.append((corners - corners[0]) % len(points), len(points))
    # along the raw curve every tooth and bite would add length and push its neighbors on
    length = _length(calm)
    closed = np.concatenate([points, points[:1]])
    return ArcOutline(np.interp(length, length[corners], np.arange(_ARCS + 1.0)), closed)


def _contour(mask: npt.NDArray[np.float32], origin: tuple[int, int]) -> Floats:
    """Largest closed curve (n, 2) halfway between pixels inside and outside, without the repeated last point."""
    curves = [curve[:-1, ::-1] for curve in find_contours(mask, 0.5)]  # type: ignore[no-untyped-call]
    areas = [cv2.contourArea(curve.astype(np.float32)) for curve in curves]
    return np.asarray(curves[int(np.argmax(areas))] + np.array(origin), dtype=np.float64)


def _evenly(curve: Floats) -> Floats:
    """A closed curve in even steps of about a pixel."""
    length, closed = _length(curve), np.concatenate([curve, curve[:1]])
    places = np.linspace(0, length[-1], max(int(length[-1] / _STEP), 2 * _ARCS), endpoint=False)
    return np.stack([np.interp(places, length, axis) for axis in closed.T], axis=1)


def _length(curve: Floats) -> Floats:
    """Arc length (n + 1,) from the first point of a closed curve (n, 2) to each and back to the first, px."""
    steps = np.roll(curve, -1, axis=0) - curve
    return np.concatenate([[0.0], np.cumsum(np.hypot(steps[:, 0], steps[:, 1]))])


def _smooth(curve: Floats, sigma: float) -> Floats:
    return np.asarray(gaussian_filter1d(curve, sigma / _STEP, axis=0, mode="wrap")) if sigma > 0 else curve


def _corners(curve: Floats, calm: Floats, label: int) -> npt.NDArray[np.intp]:
    """Indices of apex, lateral base and medial base of an upright curve (n, 2) with its much smoothed copy."""
    low, high = curve.min(axis=0), curve.max(axis=0)
    across, down = ((curve - low) / (high - low)).T
    lateral = -across if label == 1 else across
    # an apex is round, so only the smoothed curve has its highest point in a place of its own; corners are sharp
    return np.array([np.argmin(calm[:, 1]), np.argmax(down + lateral), np.argmax(_DEPTH * down - lateral)])
