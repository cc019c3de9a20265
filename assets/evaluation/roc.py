"""Area under the ROC curve with an interval that holds near 1, and its companions.

What is undefined is said, never guessed: too little data or scores that are not numbers raise `Undefined`; an area
without a usable variance (constant scores, one patient in a class) has the interval `None` and a note.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

F64 = npt.NDArray[np.float64]
Scores = npt.NDArray[np.floating]
Labels = npt.NDArray[np.bool_]


class Undefined(ValueError):
    """A measure that these scores and labels do not define; the message is a reason a reader understands."""


@dataclass(frozen=True)
class Interval:
    """Confidence interval of an area.

    Attributes:
        low: lower end in [0, 1].
        high: upper end in [0, 1].
        method: `logit`, DeLong's variance on the logit scale, two-sided; `one_sided`, exact bound where the
            classes are separated without an exception and the variance vanishes.
    """

    low: float
    high: float
    method: Literal["logit", "one_sided"]


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve.

    Attributes:
        area: P(abnormal > normal) + P(equal) / 2, in [0, 1].
        standard_error: DeLong's, or None where a class has one member.
        interval: None where nothing bounds the area; `note` then says why.
        positives: number of abnormal cases.
        negatives: number of normal cases.
        note: empty, or why the interval is missing or one-sided.
    """

    area: float
    standard_error: float | None
    interval: Interval | None
    positives: int
    negatives: int
    note: str = ""

    def __str__(self) -> str:
        """For people: `0.812 [0.761, 0.854]`, `1.000 (at least 0.951)` or `0.500 (no interval)`."""
        if self.interval is None:
            return f"{self.area:.3f} (no interval)"
        if self.interval.method == "logit":
            return f"{self.area:.3f} [{self.interval.low:.3f}, {self.interval.high:.3f}]"
        if self.area > 0.5:
            return f"{self.area:.3f} (at least {self.interval.low:.3f})"
        return f"{self.area:.3f} (at most {self.interval.high:.3f})"


@dataclass(frozen=True)
class RocCurve:
    """Points of a ROC curve from (0, 0) to (1, 1); every threshold is kept.

    Attributes:
        false_positive_rate: (K,) rising.
        true_positive_rate: (K,) rising.
        thresholds: (K,) falling, the first infinite; a case is called abnormal at score >= threshold.
    """

    false_positive_rate: F64
    true_positive_rate: F64
    thresholds: F64


def checked(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[F64, Labels]:
    """Scores and labels as arrays that a ROC curve can be drawn of.

    Args:
        scores: (N,) numbers, higher is more abnormal.
        labels: (N,) bool or 0 and 1, true is abnormal.

    Raises:
        Undefined: a score is NaN or infinite, or a class is missing.
        ValueError: shapes differ, or a label is neither 0 nor 1.
    """
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels)
    if values.ndim != 1 or values.shape != truth.shape:
        raise ValueError(f"scores {values.shape} and labels {truth.shape} must be (N,) and equally long")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError("labels must be false/true or 0/1")
    truth = truth.astype(np.bool_)
    bad = ~np.isfinite(values)
    if bad.any():
        raise Undefined(f"{int(bad.sum())} of {values.size} scores are not finite, the first in row {bad.argmax()}")
    if truth.all() or not truth.any():
        raise Undefined(f"needs abnormal and normal cases, got {int(truth.sum())} and {int((~truth).sum())}")
    return values, truth


def delong(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[F64, F64]:
    """Areas of M scores of the same cases, and their covariance.

    Args:
        scores: (M, N), one row a model.
        labels: (N,), true is abnormal.

    Returns:
        (M,) areas and (M, M) covariance; NaN in the covariance where a class has one member.

    Raises:
        Undefined, ValueError: as `checked`.

    Source: DeLong et al. 1988, Biometrics 44:837, by the midranks of Sun and Xu 2014, doi:10.1109/LSP.2014.2337313.
    """
    rows = np.atleast_2d(np.asarray(scores, dtype=np.float64))
    truth = np.asarray(labels)
    for row in rows:
        _, truth = checked(row, labels)
    m, n = int(truth.sum()), int((~truth).sum())
    from scipy.stats import rankdata

    pooled = rankdata(rows, axis=1)
    among_abnormal = rankdata(rows[:, truth], axis=1)
    among_normal = rankdata(rows[:, ~truth], axis=1)
    v10 = (pooled[:, truth] - among_abnormal) / n
    v01 = 1 - (pooled[:, ~truth] - among_normal) / m
    areas: F64 = v10.mean(axis=1)
    if min(m, n) < 2:
        return areas, np.full((len(rows), len(rows)), np.nan)
    covariance: F64 = np.atleast_2d(np.cov(v10)) / m + np.atleast_2d(np.cov(v01)) / n
    return areas, covariance


def auc(scores: npt.ArrayLike, labels: npt.ArrayLike, confidence: float = 0.95) -> Auc:
    """Area under the ROC curve with DeLong's variance and an interval on the logit scale.

    Near 1 the plain interval covers too rarely and leaves [0, 1]; on the logit scale it does neither. Where the
    classes are separated without exception the variance is 0 and the interval one-sided, see `separation_bound`.

    Args:
        scores: (N,), higher is more abnormal.
        labels: (N,), true is abnormal.
        confidence: level of the interval.

    Raises:
        Undefined: a class is missing or a score is not finite.
        ValueError: as `checked`.

    Source: DeLong et al. 1988; logit interval as in Pepe 2003, The Statistical Evaluation of Medical
        Tests for Classification and Prediction, chapter 5.
    """
    values, truth = checked(scores, labels)
    m, n = int(truth.sum()), int((~truth).sum())
    areas, covariance = delong(values, truth)
    area = float(areas[0])
    if np.ptp(values) == 0:
        return Auc(area, 0.0, None, m, n, "all scores are equal")
    if area in (0.0, 1.0):
        bound = separation_bound(m, n, confidence)
        interval = Interval(bound, 1.0, "one_sided") if area == 1 else Interval(0.0, 1 - bound, "one_sided")
        error = 0.0 if min(m, n) > 1 else None
        return Auc(area, error, interval, m, n, "the classes are separated without exception: one-sided bound")
    if min(m, n) < 2:
        return Auc(area, None, None, m, n, "a class has one case, which gives no variance")
    error = float(np.sqrt(covariance[0, 0]))
    return Auc(area, error, logit_interval(area, error, confidence), m, n)


def separation_bound(positives: int, negatives: int, confidence: float) -> float:
    """One-sided lower bound of an area of which the sample shows 1.

    Matching each case of the smaller class with another case of the larger one makes k = min(m, n) independent
    trials "abnormal above normal" of success probability area (without ties); all succeeded, so the exact bound of
    Clopper and Pearson is (1 - confidence) ** (1 / k). It uses k of the m n comparisons and is conservative.

    Source: Clopper and Pearson 1934, Biometrika 26:404, one-sided, k successes in k trials.
    """
    return float((1 - confidence) ** (1 / min(positives, negatives)))


def roc_curve(scores: npt.ArrayLike, labels: npt.ArrayLike) -> RocCurve:
    """Every point of the ROC curve; raises `Undefined` and ValueError as `checked`."""
    values, truth = checked(scores, labels)
    from sklearn.metrics import roc_curve as sklearn_roc_curve

    return RocCurve(*sklearn_roc_curve(truth, values, drop_intermediate=False))


def average_precision(scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Average precision, whose chance level is the share of abnormal cases; raises as `checked`."""
    values, truth = checked(scores, labels)
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(truth, values))


def sensitivity_at(specificity: float, scores: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Highest sensitivity at which the specificity is still reached.

    The threshold is read from the cases it is judged on, so it describes the curve and is no operating point.

    Raises:
        Undefined, ValueError: as `checked`.
    """
    curve = roc_curve(scores, labels)
    # a rate such as 1 - 0.9 misses its decimal by rounding
    allowed = curve.false_positive_rate <= 1 - specificity + 1e-9
    return float(curve.true_positive_rate[allowed].max())


def logit_interval(area: float, error: float, confidence: float) -> Interval:
    """Interval of an area strictly between 0 and 1 from its standard error, two-sided on the logit scale."""
    half = ndtri((1 + confidence) / 2) * error / (area * (1 - area))
    center = np.log(area / (1 - area))
    low, high = 1 / (1 + np.exp(-(center - half))), 1 / (1 + np.exp(-(center + half)))
    return Interval(float(low), float(high), "logit")
