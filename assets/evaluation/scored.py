"""Scored radiographs of one split and arm as columns, and condensed to patients."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.evaluation.patients import How, PatientGroups, PatientScores, by_patient, patient_groups
from assets.scoring.score import SCORE_NAMES

F64 = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
ARM = ("alignment", "method", "seed")
LESIONS = ("lesion_auc", "lesion_ap")
# What is read of the anomaly maps' manifest; its identifiers only order the rows.
SCORED_COLUMNS = ("radiograph_id", "patient", "domain", "split", *ARM, *SCORE_NAMES, *LESIONS)
KNOWN = ("normal", "abnormal")


@dataclass(frozen=True)
class ScoredArm:
    """One arm's normal and abnormal radiographs of a split.

    Attributes:
        alignment: such as `it_dpr`.
        method: such as `cyclegan`.
        seed: of the training.
        ids: (K,) radiographs, sorted.
        owners: (K,) the patient of each.
        groups: the radiographs by patient.
        labels: (K,) true is abnormal.
        raw: (K,) float64 by the score's name, NaN where it was not measured.
        how: a patient's score is the highest or the mean of its radiographs'.
        lesions: mean of `lesion_auc` and of `lesion_ap` over the radiographs that have one, None where none has.
    """

    alignment: str
    method: str
    seed: int
    ids: Names
    owners: Names
    groups: PatientGroups
    labels: npt.NDArray[np.bool_]
    raw: Mapping[str, F64]
    how: How
    lesions: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def arm(self) -> str:
        """As written in settings: `it_dpr/cyclegan`."""
        return f"{self.alignment}/{self.method}"

    @property
    def name(self) -> str:
        """For people: `it_dpr/cyclegan, seed 0`."""
        return f"{self.arm}, seed {self.seed}"

    def has(self, score: str) -> bool:
        """Whether a score was measured in any radiograph; contrast needs a translator to abnormal, z normals."""
        return not np.isnan(self.raw[score]).all()

    def scores(self, score: str) -> F64:
        """(N,) one a patient."""
        return self.groups.condensed(self.raw[score], self.how)

    def patients(self, score: str) -> PatientScores:
        """One score of the patients with their labels."""
        return PatientScores(self.groups.patients, self.scores(score), self.groups.labels)

    def patients_on(self, score: str, ids: Names) -> PatientScores:
        """One score of the patients of some radiographs, condensed from these alone."""
        kept = np.isin(self.ids, ids)
        return by_patient(self.owners[kept].tolist(), self.raw[score][kept], self.labels[kept], self.how)

    @property
    def class_counts(self) -> tuple[int, int]:
        """Normal and abnormal patients."""
        abnormal = int(np.count_nonzero(self.groups.labels))
        return len(self.groups.labels) - abnormal, abnormal


def scored_arms(table: pa.Table, split: str, how: How) -> list[ScoredArm]:
    """Every arm of a split, in alphabetical order; rows of other domains are left out.

    Args:
        table: with `SCORED_COLUMNS`, rows that are ok; a score whose column is missing was not measured.
        split: validation or test.
        how: a patient's score is the highest or the mean of its radiographs'.
    """
    chosen = pc.and_(pc.equal(table["split"], split), pc.is_in(table["domain"], value_set=pa.array(KNOWN)))
    rows = table.filter(chosen).sort_by([(name, "ascending") for name in (*ARM, "radiograph_id")])
    edges = [0, *np.flatnonzero(_changes(rows)).tolist(), len(rows)] if len(rows) else []
    return [_arm(rows.slice(start, stop - start), how) for start, stop in pairwise(edges)]


def _changes(rows: pa.Table) -> npt.NDArray[np.bool_]:
    """(K,) whether another arm begins at a row; false at the first."""
    changed = np.zeros(len(rows), dtype=np.bool_)
    for name in ARM:
        values = np.asarray(rows[name].to_numpy())
        changed[1:] |= values[1:] != values[:-1]
    return changed


def _arm(rows: pa.Table, how: How) -> ScoredArm:
    labels = np.asarray(pc.equal(rows["domain"], "abnormal").to_numpy())
    first = {name: rows[name][0].as_py() for name in ARM}
    raw: dict[str, F64] = {name: _measured(rows, name) for name in SCORE_NAMES}
    lesions = {name: pc.mean(rows[name]).as_py() for name in LESIONS}
    ids, owners = (np.array(rows[name].to_pylist(), dtype=np.str_) for name in ("radiograph_id", "patient"))
    groups = patient_groups(owners.tolist(), labels)
    return ScoredArm(**first, ids=ids, owners=owners, groups=groups, labels=labels, raw=raw, how=how, lesions=lesions)


def _measured(rows: pa.Table, name: str) -> F64:
    # A manifest may be older than a score.
    return _numbers(rows[name]) if name in rows.column_names else np.full(len(rows), np.nan)


def _numbers(column: pa.ChunkedArray) -> F64:
    return np.asarray(column.cast(pa.float64()).fill_null(float("nan")).to_numpy(), dtype=np.float64)
