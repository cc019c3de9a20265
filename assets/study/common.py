"""Several areas over the same patients, and their mean."""

from collections.abc import Sequence

import numpy as np

from assets.evaluation.patients import PatientScores
from assets.evaluation.roc import Undefined
from assets.study.pooled import Pooled, area_of, pooled, restricted


def on_common(sides: Sequence[Sequence[PatientScores]], confidence: float = 0.95) -> list[Pooled]:
    """Areas over the same patients: whom one side cannot use, as in a fold of one class, leaves the others, too.

    Args:
        sides: folds of each, at least one side.
        confidence: level of the intervals.

    Raises:
        Undefined: as `pooled`, of what is left.
    """
    while True:
        found = [pooled(side, confidence) for side in sides]
        shared = set.intersection(*(set(item.patients) for item in found))
        if all(len(item.patients) == len(shared) for item in found):
            return found
        sides = [restricted(side, shared) for side in sides]


def averaged(several: Sequence[Pooled], confidence: float = 0.95) -> Pooled:
    """The mean of areas over the same patients, such as those of an arm's seeds, each for itself.

    Not the area of their mean score: an ensemble ranks better than its members.

    Args:
        several: at least one.
        confidence: level of the interval.

    Raises:
        Undefined: they are not over the same patients.
    """
    first, *others = several
    if not others:
        return first
    influence = np.zeros(len(first.patients))
    for item in several:
        if set(item.patients) != set(first.patients):
            raise Undefined("the areas are not over the same patients")
        place = {patient: row for row, patient in enumerate(item.patients)}
        influence += item.influence[[place[patient] for patient in first.patients]] / len(several)
    area = float(np.mean([item.auc.area for item in several]))
    return Pooled(area_of(area, influence, first.sizes, confidence), first.patients, influence, first.sizes)
