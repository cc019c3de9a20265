"""Areas of every scorer under every kind of mask, on the same patients, and their differences to the masks in use."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from assets.evaluation.comparison import Comparison, paired_delong
from assets.evaluation.patients import How, PatientScores, by_patient
from assets.evaluation.roc import Auc, Undefined, auc
from assets.leaks.scorers import F64, Scores
from assets.leaks.settings import USED, LeakSettings, Variant

T = TypeVar("T")


@dataclass(frozen=True)
class Compared:
    """The test radiographs that every compared variant has.

    Attributes:
        patients: (N,) identifiers; used to group, never shown.
        abnormal: (N,).
        scores: (N,) by variant and scorer.
        missing: radiographs asked for that a variant lacks, by variant; those left out for it, too.
        left_out: why a variant is not compared.
    """

    patients: Sequence[str]
    abnormal: npt.ArrayLike
    scores: Mapping[Variant, Scores]
    missing: Mapping[Variant, int]
    left_out: Mapping[Variant, str]


def table_rows(compared: Compared, settings: LeakSettings, how: How = "mean") -> list[dict[str, Any]]:
    """One row a variant and scorer; a variant that is left out has one row that says why.

    Args:
        compared: scores of radiographs.
        settings: confidence.
        how: a patient's score is the highest or the mean of its radiographs', as that of the arms.
    """
    used = compared.scores[USED]
    rows = [
        _row(compared, settings, variant, scorer, (scores[scorer], used[scorer]), how)
        for variant, scores in compared.scores.items()
        for scorer in scores
    ]
    return rows + [_left_out(variant, why, compared) for variant, why in compared.left_out.items()]


def _row(
    compared: Compared,
    settings: LeakSettings,
    variant: Variant,
    scorer: str,
    sides: tuple[F64 | Undefined, F64 | Undefined],
    how: How,
) -> dict[str, Any]:
    def patients(scores: F64 | Undefined) -> PatientScores:
        return by_patient(compared.patients, _known(scores), compared.abnormal, how)

    own, used = sides
    found, reason = _defined(lambda: _area(patients(own), settings))
    differs = variant != USED
    difference = _defined(lambda: _difference(patients(own), patients(used), settings))[0] if differs else None
    interval = found.interval if found else None
    labels = np.asarray(compared.abnormal, dtype=np.bool_)
    sick = {patient for patient, abnormal in zip(compared.patients, labels, strict=True) if abnormal}
    return _keyed(
        {
            "variant": variant,
            "scorer": scorer,
            "auc": found.area if found else None,
            "low": interval.low if interval else None,
            "high": interval.high if interval else None,
            "se": found.standard_error if found else None,
            "difference": difference.difference if difference else None,
            "difference_low": difference.low if difference else None,
            "difference_high": difference.high if difference else None,
            "p": difference.p_value if difference else None,
            "positives": len(sick),
            "negatives": len(set(compared.patients) - sick),
            "missing": compared.missing[variant],
        },
        "ok" if found else "rejected",
        found.note if found else reason,
    )


def _area(found: PatientScores, settings: LeakSettings) -> Auc:
    return auc(found.scores, found.labels, settings.confidence)


def _difference(first: PatientScores, second: PatientScores, settings: LeakSettings) -> Comparison:
    return paired_delong(first.scores, second.scores, first.labels, settings.confidence)


def _known(scores: F64 | Undefined) -> F64:
    if isinstance(scores, Undefined):
        raise scores
    return scores


def _defined(measure: Callable[[], T]) -> tuple[T | None, str]:
    try:
        return measure(), ""
    except Undefined as undefined:
        return None, str(undefined)


def _left_out(variant: Variant, why: str, compared: Compared) -> dict[str, Any]:
    return _keyed({"variant": variant, "scorer": "", "missing": compared.missing[variant]}, "rejected", why)


def _keyed(row: dict[str, Any], status: str, reason: str) -> dict[str, Any]:
    key = sha256(repr(row).encode()).hexdigest()[:32]
    return {**row, "status": status, "reason": reason, "key": key, "artifact": "", "artifact_digest": ""}
