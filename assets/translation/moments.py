"""Mean and spread, pixel by pixel, of images or maps over the lungs of many radiographs, with any one of them left out.

Every radiograph counts where it has lung and nowhere else.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

REFERENCE_SIDE = 256
# A spread below what rounding to 16 bits makes is none.
_ROUNDING = 1 / 65535


@dataclass(frozen=True)
class Moments:
    """Sums over planes of one kind, all in one frame.

    Attributes:
        count: (S, S) float64, radiographs that have lung at the pixel.
        first: (S, S) float64, sum of their values.
        second: (S, S) float64, sum of their squares.
    """

    count: F64
    first: F64
    second: F64

    def add(self, plane: F32, lungs: Mask) -> None:
        """Count a plane (S, S) in, in place."""
        self._count_in(plane, lungs, 1)

    def without(self, plane: F32, lungs: Mask) -> "Moments":
        """The sums as they were if this plane had not been added."""
        rest = Moments(self.count.copy(), self.first.copy(), self.second.copy())
        rest._count_in(plane, lungs, -1)
        return rest

    def _count_in(self, plane: F32, lungs: Mask, sign: int) -> None:
        inside = np.where(lungs, plane, 0).astype(np.float64)
        self.count[...] += sign * lungs.astype(np.int64)
        self.first[...] += sign * inside
        self.second[...] += sign * inside**2


@dataclass(frozen=True)
class Pooling:
    """How mean and spread are made of sums.

    Attributes:
        sigma: Gaussian over which sums of neighbouring pixels are pooled, pixels at a side of 256; 0 for none.
        prior: how many radiographs the mean and the variance of all lungs together weigh at every pixel, above 0.
        smallest: floor of the spread, share of that of all lungs together, above 0.
    """

    sigma: float
    prior: float
    smallest: float


@dataclass(frozen=True)
class Usual:
    """What is usual.

    Attributes:
        mean: (S, S) float32.
        spread: (S, S) float32, standard deviation, above 0.
        whole_spread: standard deviation of all lungs together.
    """

    mean: F32
    spread: F32
    whole_spread: float

    def z(self, plane: F32, lungs: Mask) -> F32:
        """How many spreads a plane (S, S) lies above the mean; signed, float32, 0 outside the lungs."""
        return np.where(lungs, (plane - self.mean) / self.spread, np.float32(0)).astype(np.float32)


def no_moments(side: int) -> Moments:
    """Sums over nothing yet, of `side` x `side` pixels."""
    return Moments(np.zeros((side, side)), np.zeros((side, side)), np.zeros((side, side)))


def usual(moments: Moments, pooling: Pooling) -> Usual:
    """Mean and spread at every pixel.

    With the sums at a pixel go those of its neighbours, by a Gaussian, and as much of the mean and the variance of all
    lungs as `prior` radiographs would bring: a few radiographs give a spread, and so do pixels that hardly any of them
    has lung at.

    Raises:
        ValueError: no radiograph has a pixel of lung.
    """
    total = float(moments.count.sum())
    if total < 1:
        raise ValueError("no normal radiograph has a pixel of lung in this frame; look at the stage lung_masks")
    mean, square = float(moments.first.sum()) / total, float(moments.second.sum()) / total
    variance = max(square - mean**2, 0.0)
    weight = _pooled(moments.count, pooling.sigma) + pooling.prior
    local_mean = (_pooled(moments.first, pooling.sigma) + pooling.prior * mean) / weight
    local_square = (_pooled(moments.second, pooling.sigma) + pooling.prior * square) / weight
    floor = max(pooling.smallest**2 * variance, _ROUNDING**2)
    spread = np.sqrt(np.maximum(local_square - local_mean**2, floor))
    return Usual(local_mean.astype(np.float32), spread.astype(np.float32), float(np.sqrt(variance)))


def arrays_of(moments: Iterable[tuple[str, Moments]]) -> dict[str, F32]:
    """Sums of several kinds of planes over the same lungs, as arrays of an artefact, float32."""
    arrays: dict[str, F32] = {}
    for kind, sums in moments:
        arrays |= {"count": sums.count.astype(np.float32)}
        arrays |= {f"{kind}_first": sums.first.astype(np.float32), f"{kind}_second": sums.second.astype(np.float32)}
    return arrays


def moments_of(arrays: Mapping[str, npt.NDArray[np.generic]], kind: str) -> Moments:
    """What `arrays_of` was given of one kind, within rounding."""
    return Moments(*(arrays[name].astype(np.float64) for name in ("count", f"{kind}_first", f"{kind}_second")))


def _pooled(values: F64, sigma: float) -> F64:
    scaled = sigma * values.shape[0] / REFERENCE_SIDE
    if scaled == 0:
        return values
    return np.asarray(cv2.GaussianBlur(values, (0, 0), scaled, borderType=cv2.BORDER_REFLECT), dtype=np.float64)
