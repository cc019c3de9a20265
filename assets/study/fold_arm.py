"""One arm in one fold, condensed to patients; and the mean of its seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.evaluation.choice import threshold_at
from assets.evaluation.patients import PatientScores
from assets.evaluation.roc import Undefined, average_precision, sensitivity_at
from assets.evaluation.stability import operating

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FoldArm:
    """Scores that one arm gives to a fold's patients.

    Attributes:
        score: name of the score that the fold's validation patients chose.
        validation: patients that decided about score and threshold.
        test: patients that nothing was fitted or decided on.
    """

    score: str
    validation: PatientScores
    test: PatientScores


@dataclass(frozen=True)
class Rates:
    """Measures over folds beside the area; None is what no fold defines.

    Attributes:
        average_precision: mean over the folds, weighted by their abnormal patients.
        sensitivity: at the study's specificity, read from each fold's own curve; weighted likewise.
        sensitivity_at_threshold: share of all abnormal patients above the threshold of their fold's validation.
        specificity_at_threshold: share of all normal patients not above it.
    """

    average_precision: float | None
    sensitivity: float | None
    sensitivity_at_threshold: float | None
    specificity_at_threshold: float | None


def seed_mean(seeds: Sequence[FoldArm]) -> FoldArm:
    """The mean of an arm's seeds in one fold, each brought to the scale of its validation normals first.

    Without two validation normals that differ, the fold's own test patients give the scale; their labels are not used.
    Patients whom a seed could not score are left out.

    Args:
        seeds: the same arm, trained with other seeds.

    Raises:
        Undefined: no test patient was scored by every seed.
    """
    scaled = [_standardised(seed) for seed in seeds]
    test = _mean([seed.test for seed in scaled])
    if not test.patients and any(seed.test.patients for seed in scaled):
        raise Undefined("no test patient was scored by every seed")
    return FoldArm(seeds[0].score, _mean([seed.validation for seed in scaled]), test)


def rates(folds: Sequence[FoldArm], specificity: float) -> Rates:
    """Measures over folds, see `Rates`.

    Args:
        folds: of one arm.
        specificity: at which the sensitivity is read, and which the threshold must reach on validation normals.
    """
    measured = [found for fold in folds if (found := _of_curve(fold, specificity)) is not None]
    precision = _weighted([(value, weight) for value, _, weight in measured])
    sensitivity = _weighted([(value, weight) for _, value, weight in measured])
    decided = [
        operating(fold.test.scores, fold.test.labels, threshold_at(specificity, _normals(fold.validation)))
        for fold in folds
    ]
    hits = [(point.sensitivity, int(fold.test.labels.sum())) for point, fold in zip(decided, folds, strict=True)]
    passed = [(point.specificity, int((~fold.test.labels).sum())) for point, fold in zip(decided, folds, strict=True)]
    return Rates(precision, sensitivity, _weighted(hits), _weighted(passed))


def _of_curve(fold: FoldArm, specificity: float) -> tuple[float, float, int] | None:
    scores, labels = fold.test.scores, fold.test.labels
    try:
        found = average_precision(scores, labels), sensitivity_at(specificity, scores, labels)
    except Undefined:
        return None
    return (*found, int(labels.sum()))


def _weighted(values: Sequence[tuple[float | None, int]]) -> float | None:
    known = [(value, weight) for value, weight in values if value is not None and weight]
    total = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / total if total else None


def _standardised(seed: FoldArm) -> FoldArm:
    base = _normals(seed.validation)
    if base.size < 2 or not np.ptp(base) > 0:
        base = seed.test.scores
    center, unit = (float(base.mean()), float(base.std())) if base.size else (0.0, 1.0)
    # constant scores stay constant
    unit = unit if unit > 0 else 1.0
    validation, test = (
        PatientScores(side.patients, (side.scores - center) / unit, side.labels)
        for side in (seed.validation, seed.test)
    )
    return FoldArm(seed.score, validation, test)


def _mean(seeds: Sequence[PatientScores]) -> PatientScores:
    shared = set.intersection(*(set(seed.patients) for seed in seeds))
    kept = [patient for patient in seeds[0].patients if patient in shared]
    places = [{patient: place for place, patient in enumerate(seed.patients)} for seed in seeds]
    rows = [np.array([place[patient] for patient in kept], dtype=np.intp) for place in places]
    scores = np.mean([seed.scores[row] for seed, row in zip(seeds, rows, strict=True)], axis=0)
    return PatientScores(kept, scores, seeds[0].labels[rows[0]])


def _normals(found: PatientScores) -> F64:
    return found.scores[~found.labels]
