"""Areas over folds, and their differences: a patient is only ever compared with patients of the same fold.

Scores of two folds come from two models and have no common scale, so the area is the share of well-ordered pairs among
the pairs within a fold: the mean of the folds' areas, weighted by their numbers of pairs. Every patient's influence on
it gives its variance, and the influences of the same patients on two arms the variance of their difference. Models and
reference are taken as given: what another training would change is told by other seeds.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from assets.evaluation.comparison import Comparison
from assets.evaluation.patients import PatientScores
from assets.evaluation.roc import Auc, Interval, Undefined, checked, logit_interval, separation_bound

F64 = npt.NDArray[np.float64]
# Below it a variance is what rounding leaves of none.
NO_VARIANCE = 1e-15


@dataclass(frozen=True)
class Pooled:
    """An area over folds.

    Attributes:
        auc: area with its standard error and interval.
        patients: N identifiers of the folds that count.
        influence: (N,) of each patient on the area, scaled so that the sum of squares is the variance; NaN where a
            fold has one patient in a class.
        sizes: abnormal and normal patients of each fold that counts; one that lacks a class orders no pair and doesn't.
    """

    auc: Auc
    patients: tuple[str, ...]
    influence: F64
    sizes: tuple[tuple[int, int], ...]

    @property
    def folds(self) -> int:
        """How many count."""
        return len(self.sizes)


def pooled(folds: Sequence[PatientScores], confidence: float = 0.95) -> Pooled:
    """The area over folds with its interval on the logit scale.

    Args:
        folds: test patients of each; no patient is in two.
        confidence: level of the interval.

    Raises:
        Undefined: no fold has both classes, a score is not finite, or a patient is in two folds.

    Source: LeDell, Petersen and van der Laan 2015, Electronic Journal of Statistics 9:1583, with the variance within
        fold and class of DeLong et al. 1988; for one fold it is DeLong's.
    """
    used = [fold for fold in folds if fold.labels.any() and not fold.labels.all()]
    if not used:
        raise Undefined("needs abnormal and normal cases in a fold, got none with both")
    patients = tuple(patient for fold in used for patient in fold.patients)
    if len(set(patients)) < len(patients):
        raise Undefined("a patient is tested in two folds; run the fold cohorts again, each from its first stage")
    parts = [_fold(fold) for fold in used]
    pairs = np.array([m * n for _, _, m, n in parts], dtype=np.float64)
    weights = pairs / pairs.sum()
    area = float(weights @ [found for found, _, _, _ in parts])
    influence = np.concatenate([weight * part for weight, (_, part, _, _) in zip(weights, parts, strict=True)])
    sizes = tuple((m, n) for _, _, m, n in parts)
    return Pooled(area_of(area, influence, sizes, confidence), patients, influence, sizes)


def paired(first: Pooled, second: Pooled, confidence: float = 0.95) -> Comparison:
    """Difference of two areas over the same patients, whichever way each was folded.

    Args:
        first: the arm of interest.
        second: what it is compared with.
        confidence: level of the interval, on the plain scale.

    Raises:
        Undefined: other patients, or no variance.
    """
    if set(first.patients) != set(second.patients):
        raise Undefined("the two arms were not scored on the same patients")
    place = {patient: row for row, patient in enumerate(second.patients)}
    gap = first.influence - second.influence[[place[patient] for patient in first.patients]]
    difference, variance = first.auc.area - second.auc.area, float(gap @ gap)
    if np.isnan(variance):
        raise Undefined("a fold has one patient in a class, which gives no variance")
    if variance < NO_VARIANCE:
        if abs(difference) > 1e-9:
            raise Undefined("the areas differ but neither varies: the classes are separated without exception")
        return Comparison(0.0, 0.0, 0.0, 1.0)
    error = float(np.sqrt(variance))
    half = float(ndtri((1 + confidence) / 2)) * error
    p_value = float(2 * ndtr(-abs(difference) / error))
    return Comparison(difference, max(-1.0, difference - half), min(1.0, difference + half), p_value)


def restricted(folds: Sequence[PatientScores], patients: Set[str]) -> list[PatientScores]:
    """The folds with only some of their patients; one may be left empty."""
    return [_kept(fold, np.array([name in patients for name in fold.patients], dtype=np.bool_)) for fold in folds]


def _kept(fold: PatientScores, keep: npt.NDArray[np.bool_]) -> PatientScores:
    kept = [patient for patient, kept in zip(fold.patients, keep, strict=True) if kept]
    return PatientScores(kept, fold.scores[keep], fold.labels[keep])


def _fold(fold: PatientScores) -> tuple[float, F64, int, int]:
    """Area of a fold, each patient's influence on it, abnormal and normal patients."""
    from scipy.stats import rankdata

    scores, truth = checked(fold.scores, fold.labels)
    m, n = int(truth.sum()), int((~truth).sum())
    ranks = rankdata(scores)
    influence = np.empty(len(scores))
    influence[truth] = (ranks[truth] - rankdata(scores[truth])) / n
    area = float(influence[truth].mean())
    influence[~truth] = 1 - (ranks[~truth] - rankdata(scores[~truth])) / m
    influence -= area
    for mine, size in ((truth, m), (~truth, n)):
        # the square root of size / (size - 1) makes the sum of squares unbiased
        influence[mine] *= np.nan if size < 2 else 1 / np.sqrt(size * (size - 1))
    return area, influence, m, n


def area_of(area: float, influence: F64, sizes: Sequence[tuple[int, int]], confidence: float) -> Auc:
    """An area over folds with its interval.

    Args:
        area: in [0, 1].
        influence: (N,) see `Pooled`.
        sizes: abnormal and normal patients by fold.
        confidence: level of the interval.
    """
    m, n = (sum(size[side] for size in sizes) for side in (0, 1))
    variance = float(influence @ influence)
    if min(area, 1 - area) < 1e-12:
        # within each fold as many pairs are independent as its smaller class has patients
        independent = sum(min(size) for size in sizes)
        bound = separation_bound(independent, independent, confidence)
        interval = Interval(bound, 1.0, "one_sided") if area > 0.5 else Interval(0.0, 1 - bound, "one_sided")
        return Auc(round(area), 0.0, interval, m, n, "the classes are separated without exception: one-sided bound")
    if np.isnan(variance):
        return Auc(area, None, None, m, n, "a fold has one patient in a class, which gives no variance")
    if variance < NO_VARIANCE:
        return Auc(area, 0.0, None, m, n, "the scores of each fold are equal")
    error = float(np.sqrt(variance))
    return Auc(area, error, logit_interval(area, error, confidence), m, n)
