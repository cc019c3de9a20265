"""How well each shortcut separates the test patients of a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from assets.evaluation.patients import How, by_patient
from assets.evaluation.roc import Auc, Undefined, auc
from assets.shortcuts.settings import ShortcutSettings
from assets.shortcuts.supervised import crossfitted_scores, fitted_scores, require_classes

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Kind = Literal["supervised", "plain"]


@dataclass(frozen=True)
class Described:
    """N radiographs as the audit sees them, normal and abnormal, of training and test.

    Attributes:
        patients: (N,) identifiers; used to group, never shown.
        abnormal: (N,).
        training: (N,), false in test.
        features: (N, D) for a regression, by name of the shortcut; a row with NaN was not recorded.
        quantities: (N,) that are compared as they are, by name; NaN where not measured.
        how: a patient's score is the highest or the mean of its radiographs', as that of the arms.
    """

    patients: npt.NDArray[np.str_]
    abnormal: Bools
    training: Bools
    features: Mapping[str, F64]
    quantities: Mapping[str, F64]
    how: How = "mean"


@dataclass(frozen=True)
class Found:
    """One shortcut.

    Attributes:
        name: what was looked at.
        kind: `supervised` where a regression read it, `plain` where the quantity itself is the score.
        auc: None where undefined; `reason` then says why.
        positives: abnormal test patients of whom it is known.
        negatives: normal test patients of whom it is known.
        fitted_on: patients that the regression was fitted on; None for plain ones and where there was none.
        crossfitted: there was no training patient, so each test patient was scored by a regression on others.
        reason: empty, or what is to be said of the area.
    """

    name: str
    kind: Kind
    auc: Auc | None
    positives: int
    negatives: int
    fitted_on: int | None = None
    crossfitted: bool = False
    reason: str = ""

    @property
    def strength(self) -> float | None:
        """Area in the direction that a model would use, None where undefined.

        A regression's direction is its own, found on other patients; that of a plain quantity is the better one.
        """
        if self.auc is None:
            return None
        return self.auc.area if self.kind == "supervised" else max(self.auc.area, 1 - self.auc.area)


def audit(described: Described, settings: ShortcutSettings) -> list[Found]:
    """Every shortcut, supervised ones first, in the order given."""
    return [
        *(_supervised(name, values, described, settings) for name, values in described.features.items()),
        *(_plain(name, values, described, settings) for name, values in described.quantities.items()),
    ]


def _supervised(name: str, values: F64, described: Described, settings: ShortcutSettings) -> Found:
    known: Bools = np.isfinite(values).all(axis=1) & (values.shape[1] > 0)
    test = known & ~described.training
    crossfitted = not described.training.any()
    fit = test if crossfitted else known & described.training
    smallest = max(settings.smallest_class, settings.crossfit_folds if crossfitted else 0)
    labels, patients = described.abnormal, described.patients
    positives, negatives = _counted(test, described)
    try:
        fitted_on = require_classes(labels[fit], patients[fit], smallest)
        _require_any(test, name)
        scores = (
            crossfitted_scores(values[fit], labels[fit], patients[fit], settings.inverse_l2, settings.crossfit_folds)
            if crossfitted
            else fitted_scores(values[fit], labels[fit], values[test], settings.inverse_l2)
        )
        area = _area(scores, test, described, settings)
    except Undefined as undefined:
        return Found(name, "supervised", None, positives, negatives, None, crossfitted, _reason(name, known, undefined))
    return Found(name, "supervised", area, positives, negatives, fitted_on, crossfitted, area.note)


def _plain(name: str, values: F64, described: Described, settings: ShortcutSettings) -> Found:
    known = np.isfinite(values)
    test = known & ~described.training
    positives, negatives = _counted(test, described)
    try:
        _require_any(test, name)
        area = _area(values[test], test, described, settings)
    except Undefined as undefined:
        return Found(name, "plain", None, positives, negatives, reason=_reason(name, known, undefined))
    return Found(name, "plain", area, positives, negatives, reason=area.note)


def _area(scores: F64, test: Bools, described: Described, settings: ShortcutSettings) -> Auc:
    grouped = by_patient(described.patients[test].tolist(), scores, described.abnormal[test], described.how)
    return auc(grouped.scores, grouped.labels, settings.confidence)


def _counted(test: Bools, described: Described) -> tuple[int, int]:
    """Abnormal and normal patients; one with both kinds of radiographs is abnormal, as everywhere."""
    sick = set(described.patients[test & described.abnormal])
    return len(sick), len(set(described.patients[test]) - sick)


def _require_any(test: Bools, name: str) -> None:
    if not test.any():
        raise Undefined(f"{name} is not known of any test radiograph")


def _reason(name: str, known: Bools, undefined: Undefined) -> str:
    return str(undefined) if known.any() else f"{name} is not recorded in this cohort"
