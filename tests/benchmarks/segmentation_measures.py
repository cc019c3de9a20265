"""Measures of the segmentation benchmark: Dice figures, and how much of a box lies in the predicted lungs."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.evaluation.bootstrap import percentile_interval
from assets.segmentation.quality import hull_of

Bools = npt.NDArray[np.bool_]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

RESAMPLES = 2000
SEED = 0


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval over patients."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"


@dataclass(frozen=True)
class DiceFigures:
    """Agreement of one method with known lungs.

    Attributes:
        rows: number of radiographs.
        right: mean Dice of the patient-right lung.
        left: mean Dice of the patient-left lung.
        p5_pooled: 5th percentile of all lungs' Dice, 2 a radiograph.
        p5_worse: 5th percentile of the Dice of each radiograph's worse lung.
    """

    rows: int
    right: Mean
    left: Mean
    p5_pooled: float
    p5_worse: float

    @property
    def lower_mean(self) -> float:
        """The smaller of the two lungs' means."""
        return min(self.right.value, self.left.value)


def dice_figures(dices: F64, patients: Sequence[str]) -> DiceFigures:
    """Figures of (N, 2) Dice values of the patient-right and patient-left lung; a lung not found has 0."""
    right, left = (mean_over_patients(dices[:, side], patients) for side in (0, 1))
    pooled, worse = (float(np.percentile(values, 5)) for values in (dices, dices.min(axis=1)))
    return DiceFigures(len(dices), right, left, pooled, worse)


def mean_over_patients(values: npt.ArrayLike, patients: Sequence[str]) -> Mean:
    """Mean of (N,) values with the percentile interval of the bootstrap that draws patients, not values.

    A patient's values stay together in a resample (Efron and Tibshirani 1993, chapter 8), the seed is fixed.

    Raises:
        ValueError: no value.
    """
    given = np.asarray(values, dtype=np.float64)
    if given.size == 0:
        raise ValueError("a mean needs a value, got none; is the part of the cohort empty?")
    group = np.unique(np.asarray(patients), return_inverse=True)[1]
    sums, counts = np.bincount(group, weights=given), np.bincount(group)
    drawn = np.random.default_rng(SEED).integers(0, len(sums), (RESAMPLES, len(sums)))
    low, high = percentile_interval(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), 0.95)
    return Mean(float(given.mean()), low, high)


def chest_region(masks: Sequence[U8]) -> Bools:
    """The part of an image (H, W) to which boxes are clipped before any method is measured on them.

    The filled convex hull of the union of the given methods' lungs and of that union's mirror image. It is mirrored
    about the image's vertical midline, not about the middle of the union: where every method misses one lung, the
    union's own middle lies in the other lung, and boxes in the missed lung would be clipped away. The hull takes in
    heart and mediastinum, so lungs without fault do not reach 1.

    Args:
        masks: label maps (H, W) of all methods that are compared, so that none has a region of its own.

    Returns:
        bool (H, W), empty where no method found a lung.
    """
    union = np.any([mask > 0 for mask in masks], axis=0)
    return _hull(union | union[:, ::-1])


def lung_regions(masks: Sequence[U8]) -> Bools:
    """As `chest_region`, but with a hull for each lung, without what lies between the lungs.

    Each side's hull is that of the methods' lungs of this side and of the mirror images of those of the other.
    """
    right = np.any([(mask == 1) | (mask == 2)[:, ::-1] for mask in masks], axis=0)
    hull = _hull(right)
    return hull | hull[:, ::-1]


def box_shares(boxes: F64, lungs: U8, region: Bools) -> F64:
    """Share of each box's area in the region that lies in the lungs; NaN where nothing of it lies in the region.

    Args:
        boxes: (K, 4) x, y, width, height by edges in pixels: x = 10, width = 5 covers columns 10 to 14. A pixel that
            a box covers in part counts in part.
        lungs: label map (H, W).
        region: (H, W).

    Returns:
        (K,).
    """
    shares = np.full(len(boxes), np.nan)
    for index, (x, y, width, height) in enumerate(boxes):
        rows, columns = _covered(y, height, region.shape[0]), _covered(x, width, region.shape[1])
        kept = float(rows @ region @ columns)
        if kept > 0:
            shares[index] = float(rows @ (region & (lungs > 0)) @ columns) / kept
    return shares


def _covered(start: float, length: float, size: int) -> F64:
    """Share (size,) of every pixel of an axis that an interval covers."""
    edges = np.arange(size)
    covered: F64 = np.clip(np.minimum(edges + 1, start + length) - np.maximum(edges, start), 0, 1)
    return covered


def _hull(mask: Bools) -> Bools:
    return hull_of(mask) if mask.any() else mask
