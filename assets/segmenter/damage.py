"""Lung masks damaged on purpose, to calibrate and to test what judges masks without truth.

Label maps are uint8 (H, W): 0 background, 1 patient-right lung, 2 patient-left. All lengths are fractions of the
image height, so a grade means the same at every size. The other lung is never touched, and neither lung takes
pixels of the other.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from assets.segmentation.cleanup import largest_component
from assets.segmentation.quality import outline_of

Bools = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_BOTH_LUNGS = 0.3
_FINE = 1 / 256
_CACHE_LINE = 64


def bite(lungs: U8, label: int, radius: float, rng: np.random.Generator) -> U8:
    """A disk around a random pixel of one lung's outline is taken out."""
    return _with(lungs, label, (lungs == label) & ~_disk_on_outline(lungs, label, radius, rng))


def blob(lungs: U8, label: int, radius: float, rng: np.random.Generator) -> U8:
    """A disk around a random pixel of one lung's outline is added, as when heart or stomach is taken in."""
    return _with(lungs, label, (lungs == label) | _disk_on_outline(lungs, label, radius, rng))


def cut_base(lungs: U8, label: int, share: float) -> U8:
    """The bottom of one lung is missing: this share of its height."""
    top, bottom = _extent(lungs == label)
    kept = (lungs == label).copy()
    kept[bottom - round(share * (bottom - top)) :] = False
    return _with(lungs, label, kept)


def cut_apex(lungs: U8, label: int, share: float) -> U8:
    """The top of one lung is missing: this share of its height."""
    return np.ascontiguousarray(cut_base(lungs[::-1], label, share)[::-1])


def jag(lungs: U8, sigma: float, rng: np.random.Generator, length: float = _FINE) -> U8:
    """Both outlines moved along their normals by Gaussian noise.

    Args:
        lungs: label map (H, W).
        sigma: standard deviation of the displacement, fraction of the height.
        rng: draws the noise.
        length: distance over which the noise is alike, fraction of the height; the default roughens the outline,
            a tenth of the height makes it wander.
    """
    noise = smooth_noise(lungs.shape, length, rng) * (sigma * lungs.shape[0])
    jagged = lungs
    for label in _present(lungs):
        jagged = _with(jagged, label, signed_distance(lungs == label) + noise > 0)
    return jagged


def swell(lungs: U8, label: int, distance: float) -> U8:
    """One lung grown by a distance in every direction, or shrunk by a negative one."""
    return _with(lungs, label, signed_distance(lungs == label) > -distance * lungs.shape[0])


def shift(lungs: U8, label: int, across: float, down: float) -> U8:
    """One lung moved to the image's right and down; what leaves the image is lost."""
    height = lungs.shape[0]
    matrix = np.array([[1, 0, round(across * height)], [0, 1, round(down * height)]], dtype=np.float64)
    mask = (lungs == label).astype(np.uint8)
    return _with(lungs, label, np.asarray(cv2.warpAffine(mask, matrix, mask.shape[::-1], flags=cv2.INTER_NEAREST)) > 0)


def fragment(lungs: U8, label: int, share: float, angle: float) -> U8:
    """Only a part of one lung is left: this share of its area, furthest in a direction (radians, 0 = right)."""
    rows, columns = np.nonzero(lungs == label)
    along = columns * np.cos(angle) + rows * np.sin(angle)
    kept = np.zeros(lungs.shape, np.bool_)
    if len(along):
        chosen = along >= np.quantile(along, 1 - share)
        kept[rows[chosen], columns[chosen]] = True
    return _with(lungs, label, kept)


def damaged(lungs: U8, rng: np.random.Generator) -> U8:
    """One of all kinds of damage, of a random grade, to a random lung or to both.

    Grades run from what hardly shows to what nobody would accept, so that the overlaps with `lungs` spread
    between about 0.2 and 1.
    """
    present = _present(lungs)
    if not present:
        return lungs.copy()
    worker = _KINDS[rng.integers(len(_KINDS))]
    chosen = present if rng.random() < _BOTH_LUNGS else [present[rng.integers(len(present))]]
    result = lungs.copy()
    for label in chosen:
        result = worker(result, label, rng)
    return result


def signed_distance(mask: Bools) -> F32:
    """Distance (H, W) of every pixel center to the outline of a mask, px: positive inside, negative outside."""
    inside, outside = (_distance(part) for part in (mask, ~mask))
    return np.where(mask, inside - 0.5, 0.5 - outside).astype(np.float32)


def _distance(part: Bools) -> F32:
    """Distance (H, W) of every pixel of a part to the nearest pixel beside it, px."""
    # The last digits depend on where in memory OpenCV writes.
    room = np.empty(part.size + _CACHE_LINE // 4, np.float32)
    begin = -room.ctypes.data % _CACHE_LINE // 4
    found: F32 = room[begin : begin + part.size].reshape(part.shape)
    cv2.distanceTransform(part.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE, found)
    return found


def smooth_noise(shape: tuple[int, ...], length: float, rng: np.random.Generator) -> F32:
    """Gaussian noise (H, W) of mean 0 and deviation 1, alike over a length that is a fraction of the height."""
    noise = rng.standard_normal(shape).astype(np.float32)
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), length * shape[0], borderType=cv2.BORDER_REFLECT))
    return np.asarray((smooth - smooth.mean()) / smooth.std(), dtype=np.float32)


def _bitten(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return bite(lungs, label, rng.uniform(0.02, 0.2), rng)


def _blobbed(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return blob(lungs, label, rng.uniform(0.02, 0.16), rng)


def _without_base(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return cut_base(lungs, label, rng.uniform(0.03, 0.6))


def _without_apex(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return cut_apex(lungs, label, rng.uniform(0.03, 0.6))


def _jagged(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return _with(lungs, label, jag(lungs, rng.uniform(0.003, 0.02), rng) == label)


def _wandering(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return _with(lungs, label, jag(lungs, rng.uniform(0.005, 0.05), rng, rng.uniform(0.02, 0.12)) == label)


def _swollen(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return swell(lungs, label, rng.uniform(-0.05, 0.06))


def _shifted(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.005, 0.1)
    return shift(lungs, label, distance * np.cos(angle), distance * np.sin(angle))


def _fragmented(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return fragment(lungs, label, rng.uniform(0.15, 0.97), rng.uniform(0, 2 * np.pi))


_KINDS: tuple[Callable[[U8, int, np.random.Generator], U8], ...] = (
    _bitten, _blobbed, _without_base, _without_apex, _jagged, _wandering, _swollen, _shifted, _fragmented,
)  # fmt: skip


def _with(lungs: U8, label: int, mask: Bools) -> U8:
    """The label map with one lung replaced by the largest part of a mask that the other lung leaves free."""
    result = np.where(lungs == label, 0, lungs).astype(np.uint8)
    result[largest_component(mask & (result == 0))] = label
    return result


def _present(lungs: U8) -> list[int]:
    return [label for label in (1, 2) if (lungs == label).any()]


def _extent(mask: Bools) -> tuple[int, int]:
    """First row of a mask and the row after its last; (0, 0) for an empty one."""
    rows = np.flatnonzero(mask.any(axis=1))
    return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)


def _disk_on_outline(lungs: U8, label: int, radius: float, rng: np.random.Generator) -> Bools:
    rows, columns = np.nonzero(outline_of(lungs == label))
    if not len(rows):
        return np.zeros(lungs.shape, np.bool_)
    at = rng.integers(len(rows))
    y, x = np.ogrid[: lungs.shape[0], : lungs.shape[1]]
    return np.asarray((y - rows[at]) ** 2 + (x - columns[at]) ** 2 <= (radius * lungs.shape[0]) ** 2)
