"""How much hangs on where the threshold is put: measures that a rescaling of the scores leaves as they are."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from assets.evaluation.bootstrap import draw, percentile_interval

F64 = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]

QUANTILES = 201
# A threshold is as good as the best within a twentieth of its Youden index.
NEAR = 0.95
TAIL = 0.05


@dataclass(frozen=True)
class Operating:
    """What a threshold does to patients above and not above it; None where a class is missing.

    Attributes:
        sensitivity: share of the abnormal patients above it.
        specificity: share of the normal patients not above it.
    """

    sensitivity: float | None
    specificity: float | None

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of the two, None where either is missing."""
        if self.sensitivity is None or self.specificity is None:
            return None
        return (self.sensitivity + self.specificity) / 2


@dataclass(frozen=True)
class Stability:
    """Behaviour over all thresholds that validation patients suggest; None is what cannot be told.

    Attributes:
        plateau_width: length of the thresholds with at least 95 % of the highest Youden index, in interquartile
            ranges of the validation normals.
        mean_balanced_accuracy: over thresholds between the 5th and the 95th percentile of the validation scores.
        youden_loss: the highest Youden index less that at the threshold which is best for validation, >= 0.
    """

    plateau_width: float | None = None
    mean_balanced_accuracy: float | None = None
    youden_loss: float | None = None


def operating(scores: F64, labels: Labels, threshold: float | None) -> Operating:
    """Sensitivity and specificity of calling abnormal what is above a threshold.

    Args:
        scores: (N,) of patients.
        labels: (N,), true is abnormal.
        threshold: None gives neither.
    """
    if threshold is None or not np.isfinite(scores).all():
        return Operating(None, None)
    above = scores > threshold
    return Operating(_share(above[labels]), _share(~above[~labels]))


def stability(validation: tuple[F64, Labels], tested: tuple[F64, Labels]) -> Stability:
    """Measure the tested patients at thresholds taken from validation patients.

    Args:
        validation: (M,) scores and labels, true is abnormal; quantiles of the scores are the thresholds.
        tested: (N,) scores and labels.

    Returns:
        All None where either lacks a class or holds a score that is not finite.
    """
    if not all(_usable(*side) for side in (validation, tested)):
        return Stability()
    levels = np.linspace(0, 1, QUANTILES)
    thresholds = np.quantile(validation[0], levels)
    accuracy = _balanced_accuracy(*tested, thresholds)
    youden = 2 * accuracy - 1
    inner = (levels >= TAIL - 1e-9) & (levels <= 1 - TAIL + 1e-9)
    # Observed values are where the index steps, so none of them may be missed between two quantiles.
    at = np.unique(validation[0])
    best = at[np.argmax(_balanced_accuracy(*validation, at))]
    highest = max(float(youden.max()), 2 * float(_balanced_accuracy(*tested, np.unique(tested[0])).max()) - 1)
    return Stability(
        _plateau(thresholds, youden, validation[0][~validation[1]]),
        float(accuracy[inner].mean()),
        highest - (2 * float(_balanced_accuracy(*tested, np.array([best]))[0]) - 1),
    )


def stability_intervals(
    validation: tuple[F64, Labels],
    tested: tuple[F64, Labels],
    resamples: int,
    confidence: float,
    rng: np.random.Generator,
) -> dict[str, tuple[float, float]]:
    """Percentile intervals of `stability` over stratified resamples of the validation and of the tested patients.

    Args:
        validation: as in `stability`.
        tested: as in `stability`.
        resamples: how many.
        confidence: level of the intervals.
        rng: source of the draws.

    Returns:
        Lower and upper end by measure; one that some resample does not define is of those that do, and one that
        `stability` does not define is missing.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 8 (two samples) and 13.
    """
    known = [name for name, value in asdict(stability(validation, tested)).items() if value is not None]
    if not known:
        return {}
    samples = [stability(_drawn(validation, rng), _drawn(tested, rng)) for _ in range(resamples)]
    columns = {name: [value for each in samples if (value := getattr(each, name)) is not None] for name in known}
    return {name: percentile_interval(np.array(values), confidence) for name, values in columns.items() if values}


def _drawn(side: tuple[F64, Labels], rng: np.random.Generator) -> tuple[F64, Labels]:
    rows = np.concatenate(draw(side[1], rng))
    return side[0][rows], side[1][rows]


def _plateau(thresholds: F64, youden: F64, normals: F64) -> float | None:
    unit = float(np.subtract(*np.quantile(normals, [0.75, 0.25])))
    highest = float(youden.max())
    if highest <= 0 or unit <= 0:
        return None
    inside = youden >= NEAR * highest
    between = (inside[1:].astype(np.float64) + inside[:-1]) / 2
    return float((np.diff(thresholds) * between).sum() / unit)


def _balanced_accuracy(scores: F64, labels: Labels, thresholds: F64) -> F64:
    """(K,) mean of sensitivity and specificity, "above" being strict."""
    abnormal, normal = np.sort(scores[labels]), np.sort(scores[~labels])
    specificity = np.searchsorted(normal, thresholds, side="right") / normal.size
    missed = np.searchsorted(abnormal, thresholds, side="right") / abnormal.size
    return np.asarray((specificity + 1 - missed) / 2, dtype=np.float64)


def _usable(scores: F64, labels: Labels) -> bool:
    return bool(np.isfinite(scores).all() and labels.any() and not labels.all())


def _share(hits: Labels) -> float | None:
    return float(hits.mean()) if hits.size else None
