"""Incremental stages: rows whose key already has its artefact are reused, the rest is computed."""

import time
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import pyarrow as pa
from torch import OutOfMemoryError

from resources.arrays import Arrays, CorruptArtifact, decode, decode_columns, encode
from resources.manifests import Place, canonical, digest_of, fingerprint, read_previous, short_digest
from resources.object_store import ObjectStore
from resources.progress import PROGRESS_SECONDS
from resources.side_by_side import SideBySide

Status = Literal["ok", "needs_review", "rejected", "failed"]
STATUSES: tuple[Status, ...] = get_args(Status)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What one row came to: its own columns, and the arrays of its artefact (None where nothing is stored)."""

    columns: dict[str, Any] = field(default_factory=dict)
    arrays: Arrays | None = None
    status: Status = "ok"
    reason: str = ""


@dataclass(frozen=True)
class Task:
    """One row to have: its key, what it carries over from upstream, and how to compute it if it must be.

    Attributes:
        key: see `row_key`.
        carried: columns copied from upstream at every run, reused or not.
        work: computes the row; called only when the key has no artefact.
        refusal: reason for which the row is rejected without any work.
    """

    key: str
    carried: dict[str, Any]
    work: Callable[[], Outcome]
    refusal: str = ""


@dataclass(frozen=True)
class Refreshed:
    """A stage's rows after a run, not yet published.

    Attributes:
        rows: one dictionary a task, in the tasks' order.
        computed: rows computed in this run.
        reused: rows taken from the previous manifest.
        resumed: rows taken from artefacts of a run that was cut off before its manifest.
        seconds: wall time.
    """

    rows: list[dict[str, Any]]
    computed: int
    reused: int
    resumed: int
    seconds: float

    def counts(self) -> dict[str, int]:
        """Planned, computed, reused and resumed rows, and rows by status."""
        by_status = Counter(row["status"] for row in self.rows)
        return {
            "planned": len(self.rows),
            "computed": self.computed,
            "reused": self.reused,
            "resumed": self.resumed,
            **{status: by_status.get(status, 0) for status in STATUSES},
        }

    def table(self, schema: pa.Schema) -> pa.Table:
        """The rows as a table; columns that a refused row lacks are null."""
        names = schema.names
        return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in self.rows], schema=schema)


def row_key(stage: str, version: str, settings: dict[str, Any], inputs: Sequence[str]) -> str:
    """Key of a row: a hash of what it is made from, so equal keys mean equal artefacts.

    Args:
        stage: the stage's name.
        version: the stage's algorithm version.
        settings: only the settings that change this stage's result.
        inputs: keys or digests of everything that the row reads, in a fixed order.
    """
    return fingerprint({"stage": stage, "version": version, "settings": settings, "inputs": list(inputs)})


def row_keys(stage: str, version: str, settings: dict[str, Any], inputs: Sequence[str | Sequence[str]]) -> list[str]:
    """`row_key` of many rows, in a fraction of its time.

    Args:
        stage: the stage's name.
        version: the stage's algorithm version.
        settings: only the settings that change this stage's result.
        inputs: what each row reads, one column an input; a text stands for a column that is the same in every row.

    Raises:
        ValueError: no input is a column, or the columns differ in length.
    """
    lengths = {len(column) for column in inputs if not isinstance(column, str)}
    if len(lengths) != 1:
        raise ValueError(f"{stage}: expected columns of one length, got the lengths {sorted(lengths)}")
    (count,) = lengths
    texts = [[canonical(column)] * count if isinstance(column, str) else map(canonical, column) for column in inputs]
    # In the canonical form the inputs come first; all that follows is the same in every row.
    rest = canonical({"settings": settings, "stage": stage, "version": version})[1:]
    return [short_digest(f'{{"inputs":[{",".join(row)}],{rest}') for row in zip(*texts, strict=True)]


def refresh(
    store: ObjectStore,
    place: Place,
    tasks: Sequence[Task],
    progress: Progress,
    *,
    retry_failed: bool = False,
    workers: int = 1,
    beside: SideBySide | None = None,
) -> Refreshed:
    """Bring the rows of one stage and partition up to date.

    A row is reused when the previous manifest has its key and its artefact is there; rejected and failed rows are
    reused by key alone, unless `retry_failed`. Artefacts that lie there without a manifest row (a run was killed, or
    the manifest was altered) are taken up from their own headers. An exception while computing a row makes that row
    `failed` with its reason; errors of storage, also while the row reads what it is made from, stop the run.
    """
    table = read_previous(store, place)
    previous = {row["key"]: row for row in table.to_pylist()} if table is not None else {}
    present = store.find(f"{place.folder}/artifacts")
    before = Before(previous, present)
    return bring_up(store, place, tasks, before, progress, retry_failed=retry_failed, workers=workers, beside=beside)


@dataclass(frozen=True)
class Before:
    """What a run finds of a stage and partition: rows of its previous manifest by key, and paths of its artefacts."""

    rows: dict[str, dict[str, Any]]
    present: Set[str]


def bring_up(
    store: ObjectStore,
    place: Place,
    tasks: Sequence[Task],
    before: Before,
    progress: Progress,
    *,
    retry_failed: bool = False,
    workers: int = 1,
    beside: SideBySide | None = None,
) -> Refreshed:
    """Rows of the tasks by what there was before; see `refresh`."""
    started = time.monotonic()
    rows: list[dict[str, Any]] = []
    tally: Counter[str] = Counter()
    spoken = started

    def bring(task: Task) -> tuple[str, dict[str, Any]]:
        how, own = _have(store, place, task, before, retry_failed)
        return ("computed", _compute(store, place, task)) if own is None else (how, own)

    with (beside or SideBySide()).mapped(bring, tasks, workers) as brought:
        for position, (task, (how, own)) in enumerate(zip(tasks, brought, strict=True), start=1):
            tally[how] += 1
            rows.append({**own, **task.carried, "key": task.key})
            if time.monotonic() - spoken > PROGRESS_SECONDS:
                spoken = time.monotonic()
                progress(_line(place, position, len(tasks), spoken - started))
    seconds = time.monotonic() - started
    return Refreshed(rows, tally["computed"], tally["reused"], tally["resumed"], seconds)


def _have(
    store: ObjectStore, place: Place, task: Task, found: Before, retry_failed: bool
) -> tuple[str, dict[str, Any] | None]:
    if task.refusal:
        return "refused", _unstored("rejected", task.refusal)
    path, before = place.artifact(task.key), found.rows.get(task.key)
    if path in found.present:
        if before is not None and before["status"] == "ok":
            return "reused", before
        # A set-aside row is judged anew from what was computed: what set it aside may be gone.
        adopted = _adopt(store, path)
        return ("resumed" if before is None else "reused"), adopted
    if before is not None and not before["artifact"] and not retry_failed:
        return "reused", before
    return "missing", None


def _adopt(store: ObjectStore, path: str) -> dict[str, Any] | None:
    data = store.read_or_none(path)
    if data is None:
        return None
    try:
        # Its digest is taken from the bytes that lie there, so they must be whole.
        decode(data)
        columns = decode_columns(data)
    except CorruptArtifact:
        store.delete(path)
        return None
    # No manifest may name it until this run is done, and `gc` removes what is old and unnamed.
    return {**columns, "artifact": path, "artifact_digest": digest_of(data)} if store.renew(path, data) else None


def _compute(store: ObjectStore, place: Place, task: Task) -> dict[str, Any]:
    try:
        outcome = task.work()
    except (OSError, CorruptArtifact, MemoryError, OutOfMemoryError):
        # The machine's fault and not the row's: as a failed row it would stay failed when the machine is well again.
        raise
    except Exception as error:
        return _unstored("failed", f"{type(error).__name__}: {error}")
    if outcome.arrays is None:
        return {**outcome.columns, **_unstored(outcome.status, outcome.reason)}
    columns = {**outcome.columns, "status": outcome.status, "reason": outcome.reason}
    data = encode(outcome.arrays, columns)
    path = place.artifact(task.key)
    # Where another run was first, its artefact stays: its manifest may name the digest already.
    stored = store.create(path, data)
    columns = columns if stored == data else decode_columns(stored)
    return {**columns, "artifact": path, "artifact_digest": digest_of(stored)}


def _unstored(status: Status, reason: str) -> dict[str, Any]:
    return {"status": status, "reason": reason, "artifact": "", "artifact_digest": ""}


def _line(place: Place, done: int, total: int, elapsed: float) -> str:
    rate = done / max(elapsed, 1e-9)
    return f"{place}: {done} of {total} rows, {rate:.1f} a second, {(total - done) / rate:.0f} s left"
