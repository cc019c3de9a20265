"""Incremental stages at the size of a large cohort: rows are compared as columns, and only changed ones are touched."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from resources.arrays import CorruptArtifact
from resources.incremental import STATUSES, Before, Outcome, Progress, Task, bring_up
from resources.manifests import Place, read_previous
from resources.object_store import ObjectStore

T = TypeVar("T")
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Planned:
    """Rows to have, as columns.

    Attributes:
        keys: see `row_keys`.
        carried: (N rows) columns copied from upstream at every run, reused or not.
        work: computes a row by its position; called only for a key that has no artefact.
    """

    keys: Sequence[str]
    carried: pa.Table
    work: Callable[[int], Outcome]


@dataclass(frozen=True)
class Brought:
    """A stage's rows after a run as a table, not yet published; see `incremental.Refreshed`.

    Attributes:
        content: the manifest.
        computed: rows computed in this run.
        reused: rows taken from the previous manifest.
        resumed: rows taken from artefacts of a run that was cut off before its manifest.
        digest: of the current manifest where it has exactly these rows and is unaltered; else empty.
    """

    content: pa.Table
    computed: int
    reused: int
    resumed: int
    digest: str = ""

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as dictionaries; see `columns` for few columns of many rows."""
        rows: list[dict[str, Any]] = self.content.to_pylist()
        return rows

    def columns(self, *names: str) -> list[dict[str, Any]]:
        """The rows as dictionaries of some of their columns."""
        rows: list[dict[str, Any]] = self.content.select(names).to_pylist()
        return rows

    def counts(self) -> dict[str, int]:
        """Planned, computed, reused and resumed rows, and rows by status."""
        by_status = Counter(self.content["status"].to_pylist())
        return {
            "planned": self.content.num_rows,
            "computed": self.computed,
            "reused": self.reused,
            "resumed": self.resumed,
            **{status: by_status.get(status, 0) for status in STATUSES},
        }

    def table(self, schema: pa.Schema) -> pa.Table:
        """The manifest."""
        return self.content.select(schema.names).cast(schema)


def bring_up_planned(
    store: ObjectStore,
    place: Place,
    planned: Planned,
    schema: pa.Schema,
    progress: Progress,
    *,
    retry_failed: bool = False,
) -> Brought:
    """Bring the rows of one stage and partition up to date, as `incremental.refresh` does and with the same result.

    Args:
        store: the object store.
        place: stage and partition.
        planned: the rows to have.
        schema: of the manifest.
        progress: takes a line for the log.
        retry_failed: compute rejected and failed rows again.
    """
    previous = read_previous(store, place)
    previous = schema.empty_table() if previous is None else previous
    present = store.find(f"{place.folder}/artifacts")
    there = pc.is_in(previous["artifact"], value_set=pa.array(present, pa.string()))
    usable = previous.filter(pc.and_(pc.equal(previous["status"], "ok"), there))
    keys = pa.array(planned.keys, pa.string())
    found: Index = pc.fill_null(pc.index_in(keys, value_set=usable["key"].combine_chunks()), -1).to_numpy()
    kept, other = np.flatnonzero(found >= 0), np.flatnonzero(found < 0)
    before = Before(_rows_by_key(previous, keys.take(pa.array(other))), present)
    done = bring_up(store, place, _tasks(planned, other), before, progress, retry_failed=retry_failed)
    carried = planned.carried.append_column("key", keys)
    reused = _with(usable.take(pa.array(found[kept])), carried.take(pa.array(kept)), schema)
    order = pa.array(np.argsort(np.concatenate([kept, other])))
    content = pa.concat_tables([reused, done.table(schema)]).take(order).combine_chunks()
    return Brought(content, done.computed, done.reused + len(kept), done.resumed)


def _rows_by_key(table: pa.Table, keys: pa.Array) -> dict[str, dict[str, Any]]:
    return {row["key"]: row for row in table.filter(pc.is_in(table["key"], value_set=keys)).to_pylist()}


def _tasks(planned: Planned, positions: Index) -> list[Task]:
    carried = planned.carried.take(pa.array(positions)).to_pylist()
    return [
        Task(planned.keys[position], row, partial(planned.work, int(position)))
        for position, row in zip(positions, carried, strict=True)
    ]


def _with(own: pa.Table, carried: pa.Table, schema: pa.Schema) -> pa.Table:
    """Reused rows with what they carry taken from upstream; a column that neither has is null."""
    columns = [
        carried[field.name].cast(field.type)
        if field.name in carried.column_names
        else own[field.name].cast(field.type)
        if field.name in own.column_names
        else pa.nulls(own.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def row_at(table: pa.Table, position: int) -> dict[str, Any]:
    """One row of a table as a dictionary."""
    (row,) = table.slice(position, 1).to_pylist()
    return dict(row)


def row_of(table: pa.Table, radiograph_id: str) -> dict[str, Any]:
    """The row of a radiograph as a dictionary.

    Raises:
        KeyError: it has none.
    """
    position: int = pc.index(table["radiograph_id"], radiograph_id).as_py()
    if position < 0:
        raise KeyError(radiograph_id)
    return row_at(table, position)


def once(build: Callable[[], T], what: str) -> Callable[[], T]:
    """What all rows of a stage share, made for the first row that is computed: where all are reused, never.

    The function returned raises CorruptArtifact where it cannot be made: no row's fault, so it must not make every
    row a failed one.

    Args:
        build: makes it.
        what: its name in an error, and what to do about it.
    """

    @cache
    def shared() -> T:
        try:
            return build()
        except CorruptArtifact:
            raise
        except (ValueError, KeyError, RuntimeError) as error:
            raise CorruptArtifact(f"{what} ({type(error).__name__}: {error})") from error

    return shared
