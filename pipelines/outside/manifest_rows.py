"""Usable rows of a cohort's current manifests, as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resources.manifests import Place, require_current
from resources.object_store import ObjectStore
from resources.tombstones import withdrawn


class ManifestReader:
    """Reads a cohort's manifests, and remembers which.

    Attributes:
        store: the object store.
        cohort: the cohort's name.
        manifests: digest of each manifest that was read, by stage and partition, such as `lung_masks@nih/07`.
    """

    def __init__(self, store: ObjectStore, cohort: str) -> None:
        self.store = store
        self.cohort = cohort
        self.manifests: dict[str, str] = {}
        self._withdrawn = withdrawn(store, cohort)

    def shards(self) -> list[str]:
        """Partition keys of the cohort's shards, as its reference lung names them.

        Raises:
            FileNotFoundError: the cohort has no reference lung yet.
        """
        pointer, _ = require_current(self.store, Place("reference_lung", self.cohort), ["key"])
        parents = (parent.partition("@") for parent in pointer["parents"])
        return sorted(partition for stage, _, partition in parents if stage == "lung_masks")

    def read(
        self, stage: str, partition: str, columns: Sequence[str], subjects: Mapping[str, str]
    ) -> tuple[dict[str, Any], pa.Table]:
        """The pointer of a stage's manifest, and columns of its rows that may go on.

        Args:
            stage: name of the stage.
            partition: shard or cohort.
            columns: columns of the result.
            subjects: column of a pseudonym -> column of its radiograph. Rows of patients who withdrew are left out: a
                removal that was cut short must show nobody either.

        Raises:
            FileNotFoundError: the stage has not run yet.
            ValueError: the manifest lacks a column.
        """
        place = Place(stage, partition)
        needed = list(dict.fromkeys([*columns, "status", *subjects, *subjects.values()]))
        pointer, table = require_current(self.store, place, needed)
        lacking = ", ".join(sorted(set(needed) - set(table.column_names)))
        if lacking:
            raise ValueError(
                f"{place} was written by another version: it has no {lacking}; run `pseudopair run {self.cohort}`"
            )
        self.manifests[str(place)] = pointer["digest"]
        table = table.filter(pc.equal(table["status"], "ok"))
        for patient, radiograph in subjects.items():
            table = _without(table, patient, self._withdrawn.patients)
            table = _without(table, radiograph, self._withdrawn.radiographs)
        return pointer, table.select(list(columns))


def beside(
    table: pa.Table, other: pa.Table, key: str, columns: Mapping[str, str], other_key: str | None = None
) -> pa.Table:
    """A table with columns of another one beside it, null where that has no row of the key (Arrow joins no lists).

    Args:
        table: any rows.
        other: rows with unique keys; of equal keys the first counts.
        key: column of `table`.
        columns: column of `other` -> its name in the result.
        other_key: column of `other`; `key` by default.
    """
    at = pc.index_in(table[key], value_set=other[other_key or key].combine_chunks())
    for name, shown in columns.items():
        table = table.append_column(shown, other[name].take(at))
    return table


def require_current_pairs(cohort: str, current: bool) -> None:
    """Refuse pairs that were made before what they are shown with.

    Raises:
        ValueError: they were.
    """
    if not current:
        raise ValueError(f"{cohort}: pairs are older than the registration; run `pseudopair run {cohort}`")


def of_split(table: pa.Table, cohort: str, split: str | None) -> pa.Table:
    """Rows of a split in one piece, or all rows where it is None.

    Raises:
        ValueError: the split has no row.
    """
    if split is None:
        return table.combine_chunks()
    chosen = table.filter(pc.equal(table["split"], split))
    if not chosen.num_rows:
        known = ", ".join(sorted(pc.unique(table["split"]).to_pylist())) or "none"
        raise ValueError(f"{cohort} has no row in split {split!r}; splits with rows: {known}")
    return chosen.combine_chunks()


def _without(table: pa.Table, column: str, left_out: frozenset[str]) -> pa.Table:
    hidden = pc.is_in(table[column], value_set=pa.array(sorted(left_out), pa.string()))
    return table.filter(pc.invert(hidden)) if left_out else table
