"""Radiographs condensed to patients, the independent units of every interval."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from assets.evaluation.roc import Labels

F64 = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
How = Literal["max", "mean"]


@dataclass(frozen=True)
class PatientScores:
    """One row a patient, in the order of first appearance.

    Attributes:
        patients: identifiers.
        scores: (N,) float64.
        labels: (N,) bool, true where any of the patient's radiographs is abnormal.
    """

    patients: list[str]
    scores: F64
    labels: Labels

    def none(self) -> "PatientScores":
        """No patient at all."""
        return PatientScores([], self.scores[:0], self.labels[:0])


@dataclass(frozen=True)
class PatientGroups:
    """Which radiographs belong to which patient; made once, used for every score of an arm.

    Attributes:
        patients: N identifiers in the order of first appearance.
        labels: (N,) bool, true where any of the patient's radiographs is abnormal.
        order: (K,) the radiographs, one patient's after the other's.
        starts: (N,) where each patient's begin in `order`.
    """

    patients: list[str]
    labels: Labels
    order: Rows
    starts: Rows

    def condensed(self, scores: npt.ArrayLike, how: How) -> F64:
        """(N,) highest or mean score of each patient's radiographs; NaN where any of them is NaN.

        Raises:
            ValueError: there are not K scores.
        """
        values = np.asarray(scores, dtype=np.float64)
        if values.shape != self.order.shape:
            raise ValueError(f"scores {values.shape} and radiographs {self.order.shape} must be equally long")
        if not values.size:
            return values
        sorted_values = values[self.order]
        if how == "max":
            return np.asarray(np.maximum.reduceat(sorted_values, self.starts), dtype=np.float64)
        sizes = np.diff(np.append(self.starts, len(values)))
        return np.asarray(np.add.reduceat(sorted_values, self.starts) / sizes, dtype=np.float64)


def patient_groups(patients: Sequence[str], labels: npt.ArrayLike) -> PatientGroups:
    """Group radiographs by patient.

    A patient with normal and abnormal radiographs is abnormal.

    Args:
        patients: K identifiers, one a radiograph.
        labels: (K,), true is abnormal.

    Raises:
        ValueError: lengths differ.
    """
    truth = np.asarray(labels).astype(np.bool_)
    if len(patients) != len(truth):
        raise ValueError(f"patients ({len(patients)}) and labels ({len(truth)}) must be equally long")
    if not len(patients):
        none = np.zeros(0, dtype=np.int64)
        return PatientGroups([], truth, none, none)
    names, first, codes = np.unique(np.asarray(patients), return_index=True, return_inverse=True)
    by_appearance = np.argsort(first)
    rank = np.empty_like(by_appearance)
    rank[by_appearance] = np.arange(len(names))
    order = np.argsort(rank[codes], kind="stable")
    starts = np.searchsorted(rank[codes][order], np.arange(len(names)))
    return PatientGroups(
        names[by_appearance].tolist(), np.logical_or.reduceat(truth[order], starts), order, starts.astype(np.int64)
    )


def by_patient(patients: Sequence[str], scores: npt.ArrayLike, labels: npt.ArrayLike, how: How) -> PatientScores:
    """Condense one score of radiographs to patients.

    A patient with normal and abnormal radiographs is abnormal. NaN scores stay NaN, so that they are refused where
    they are evaluated.

    Args:
        patients: K identifiers, one a radiograph.
        scores: (K,).
        labels: (K,), true is abnormal.
        how: the patient's score is the highest or the mean of its radiographs'.

    Raises:
        ValueError: lengths differ.
    """
    groups = patient_groups(patients, labels)
    return PatientScores(groups.patients, groups.condensed(scores, how), groups.labels)
