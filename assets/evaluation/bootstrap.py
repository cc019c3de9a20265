"""Stratified bootstrap of patients: areas of several arms on the same resamples, and a band for a ROC curve."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.evaluation.patients import PatientGroups
from assets.evaluation.roc import Labels, Undefined, auc, checked

F64 = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class RocBand:
    """Pointwise band of a ROC curve.

    Attributes:
        false_positive_rate: (K,) rising from 0 to 1.
        low: (K,) lower end of the true-positive rate.
        high: (K,) upper end.
    """

    false_positive_rate: F64
    low: F64
    high: F64


def bootstrap_areas(scores: npt.ArrayLike, labels: npt.ArrayLike, resamples: int, rng: np.random.Generator) -> F64:
    """Areas of M scores on the same stratified resamples of the patients.

    Abnormal and normal patients are drawn apart, each with replacement to its own number, so no resample loses a
    class and the prevalence stays. The rows must be patients, not radiographs: see `by_patient`.

    Args:
        scores: (M, N), one row a model.
        labels: (N,), true is abnormal.
        resamples: R.
        rng: source of the draws.

    Returns:
        (R, M) areas.

    Raises:
        Undefined, ValueError: as `checked`.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 8 (two samples) and 13.
    """
    rows = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    groups = []
    truth = np.asarray(labels)
    for row in rows:
        values, truth = checked(row, labels)
        groups.append(np.unique(values, return_inverse=True)[1])
    areas = np.empty((resamples, len(rows)))
    for resample in range(resamples):
        abnormal, normal = draw(truth, rng)
        for model, group in enumerate(groups):
            size = int(group.max()) + 1
            areas[resample, model] = _area(
                np.bincount(group[abnormal], minlength=size), np.bincount(group[normal], minlength=size)
            )
    return areas


def percentile_interval(samples: F64, confidence: float) -> tuple[float, float]:
    """Central interval of (R,) bootstrap samples."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def clustered_interval(
    groups: PatientGroups,
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> tuple[float, float, float]:
    """Area over radiographs, and its interval where patients have several: whole patients are resampled.

    Radiographs of one patient resemble each other, so an interval that takes them as independent is too narrow.
    Patients with an abnormal radiograph and those without are drawn apart.

    Args:
        groups: K radiographs by patient.
        scores: (K,), higher is more abnormal.
        labels: (K,), true is abnormal; of the radiograph, not of the patient.
        resamples: R.
        confidence: level of the interval.
        rng: source of the draws.

    Returns:
        Area, lower and upper end.

    Raises:
        Undefined, ValueError: as `checked`, or no patient is normal throughout.

    Source: Efron and Tibshirani 1993, chapter 8; the patient is the unit as in Obuchowski 1997, Biometrics 53:567.
    """
    values, truth = checked(scores, labels)
    if groups.labels.all():
        raise Undefined("every patient has an abnormal radiograph; patients cannot be resampled by class")
    level = np.unique(values, return_inverse=True)[1]
    owner = np.empty(len(values), dtype=np.int64)
    owner[groups.order] = np.repeat(np.arange(len(groups.starts)), np.diff(np.append(groups.starts, len(values))))
    areas = np.empty(resamples)
    for resample in range(resamples):
        drawn = np.bincount(np.concatenate(draw(groups.labels, rng)), minlength=len(groups.starts))[owner]
        areas[resample] = _area(*(np.bincount(level, drawn * side) for side in (truth, ~truth)))
    return (auc(values, truth).area, *percentile_interval(areas, confidence))


def roc_band(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
    points: int = 101,
) -> RocBand:
    """Pointwise percentile band of the true-positive rate at fixed false-positive rates.

    Where the sample separates the classes without exception the band has no width; the area's one-sided bound then
    says more.

    Raises:
        Undefined, ValueError: as `checked`.

    Source: vertical averaging of Fawcett 2006, doi:10.1016/j.patrec.2005.10.010, over stratified resamples.
    """
    values, truth = checked(scores, labels)
    group = np.unique(values, return_inverse=True)[1]
    size = int(group.max()) + 1
    grid = np.linspace(0, 1, points)
    rates = np.empty((resamples, points))
    for resample in range(resamples):
        abnormal, normal = draw(truth, rng)
        rates[resample] = np.interp(grid, _rate(group[normal], size), _rate(group[abnormal], size))
    tail = (1 - confidence) / 2
    low, high = np.quantile(rates, [tail, 1 - tail], axis=0)
    return RocBand(grid, low, high)


def draw(truth: Labels, rng: np.random.Generator) -> tuple[Counts, Counts]:
    """Rows of a stratified resample: abnormal ones, then normal ones, each drawn with replacement to its number."""
    abnormal, normal = np.flatnonzero(truth), np.flatnonzero(~truth)
    return rng.choice(abnormal, abnormal.size), rng.choice(normal, normal.size)


def _area(abnormal: Counts | F64, normal: Counts | F64) -> float:
    # normal cases below each distinct score, and half of those at it
    below = np.cumsum(normal) - normal / 2
    return float(abnormal @ below / (abnormal.sum() * normal.sum()))


def _rate(groups: Counts, size: int) -> F64:
    # share of cases at or above each threshold, from above the highest score downwards
    counts = np.bincount(groups, minlength=size)[::-1]
    rate: F64 = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    return rate
