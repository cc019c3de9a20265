"""One run of one stage and partition: where it reads and writes, what it reports to Dagster."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from resources.catalogue import entry_named
from resources.dagster_shapes import picture
from resources.failures import recorded
from resources.incremental import Progress, Refreshed, Task, refresh
from resources.manifests import (
    Place,
    point_to,
    pointer_version,
    read_pointer,
    read_previous,
    require_current,
    write_manifest,
)
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT, cohort_of
from resources.planned import Brought, Planned, bring_up_planned
from resources.progress import steadfast
from resources.removals import removals
from resources.side_by_side import SideBySide
from resources.stage_config import resolve
from resources.stage_pictures import Pictures, drawn_pictures, stored_pictures

RETRY_TAG = "pseudopair/retry_failed"
# Field of a pointer that keeps its stage from being fresh; the next run's pointer has none.
MUST_RETRAIN = "must_retrain"

S = TypeVar("S", bound=BaseModel)


class Finished(Protocol):
    """A stage's rows after a run, ready to be published: `Refreshed`, or a table made otherwise."""

    def counts(self) -> dict[str, int]:
        """Planned, computed, reused and resumed rows, and rows by status (as `Refreshed.counts`)."""

    def table(self, schema: pa.Schema) -> pa.Table:
        """The manifest."""


class Store(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The artefact store as a Dagster resource.

    Attributes:
        root: folder or fsspec URL; credentials of a remote store come from its own environment variables.
    """

    root: str

    def objects(self) -> ObjectStore:
        """The object store at the root."""
        return ObjectStore(self.root)


@dataclass
class StageRun:
    """What a stage's adapter needs while it runs.

    Attributes:
        store: the object store.
        stage: the asset's name.
        version: its algorithm version.
        partition: shard or cohort key.
        cohort: the cohort's name.
        mapping: the cohort's declaration as a mapping.
        launched: configuration set for this launch.
        parents: manifest digests that this run has read, by stage and partition.
        run_id: Dagster's run.
        progress: one line for the log.
        expected: version of the pointer when the run began; publishing over another one is a conflict.
        retry_failed: compute rejected and failed rows again.
        source: digest of what lies outside the store, for `pseudopair status`; empty where nothing does.
        removals: patients' removals from the cohort that were complete when the run began.
        beside: threads of this run; long work in them asks it whether it is still wanted.
    """

    store: ObjectStore
    stage: str
    version: str
    partition: str
    cohort: str
    mapping: dict[str, Any]
    launched: dict[str, Any]
    run_id: str
    progress: Progress
    expected: str | None = None
    retry_failed: bool = False
    parents: dict[str, str] = field(default_factory=dict)
    settings_used: dict[str, Any] = field(default_factory=dict)
    source: str = ""
    removals: frozenset[str] = frozenset()
    beside: SideBySide = field(default_factory=SideBySide)
    started: float = field(default_factory=time.monotonic)

    @property
    def place(self) -> Place:
        """This stage and partition in the store."""
        return Place(self.stage, self.partition)

    def settings(self, kind: type[S]) -> S:
        """Settings of this run, recorded with its manifest."""
        declared = self.mapping.get("settings", {}).get(self.stage, {})
        settings = resolve(kind, declared, self.launched)
        self.settings_used = settings.model_dump()
        return settings

    def table(self, stage: str, partition: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Rows of an upstream stage: of the same partition, or of every shard of this run's cohort.

        Args:
            stage: name of the upstream stage.
            partition: one of its partitions; by default those that belong to this run's.
            columns: only these; a large cohort's rows are read with few.

        Raises:
            FileNotFoundError: it has not run yet.
            Failure: it was made from manifests that are no longer current.
        """
        tables: list[pa.Table] = []
        for key in [partition] if partition else self._partitions():
            place = Place(stage, key)
            pointer, table = require_current(self.store, place, columns)
            self.require_one_generation(place, pointer)
            self.parents[str(place)] = pointer["digest"]
            tables.append(table)
        return pa.concat_tables(tables, promote_options="default")

    def rows(
        self, stage: str, partition: str | None = None, columns: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of an upstream stage as dictionaries; see `table`."""
        rows: list[dict[str, Any]] = self.table(stage, partition, columns).to_pylist()
        return rows

    def require_one_generation(self, place: Place, pointer: dict[str, Any]) -> None:
        """Stages launched one at a time must not mix, say, a new split with a model trained on the old one."""
        for parent, digest in pointer["parents"].items():
            upstream, _, partition = parent.partition("@")
            current = self.parents.get(parent) or (read_pointer(self.store, Place(upstream, partition)) or {}).get(
                "digest"
            )
            if current != digest:
                raise dg.Failure(
                    f"{place} was made from an older {parent}; materialise {place.stage} for {place.partition} first, "
                    f"or everything with `pseudopair run {cohort_of(place.partition)}`",
                    allow_retries=False,
                )

    def ok_table(self, stage: str, partition: str | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """Upstream rows that may go on, as a table; see `table`. Columns that its manifest has not are left out."""
        wanted = None if columns is None else list(dict.fromkeys([*columns, "status"]))
        table = self.table(stage, partition, wanted)
        kept = table.column_names if columns is None else [name for name in columns if name in table.column_names]
        return table.filter(pc.equal(table["status"], "ok")).select(kept)

    def ok(
        self, stage: str, partition: str | None = None, columns: Sequence[str] | None = None
    ) -> list[dict[str, Any]]:
        """Upstream rows that may go on."""
        rows: list[dict[str, Any]] = self.ok_table(stage, partition, columns).to_pylist()
        return rows

    def model(self, stage: str) -> dict[str, Any]:
        """The single row of a model of this run's cohort."""
        return self.rows(stage, self.cohort)[0]

    def known_keys(self) -> set[str]:
        """Row keys of this stage's previous manifest."""
        table = read_previous(self.store, self.place, ["key"])
        return set() if table is None else set(table.column("key").to_pylist())

    def refresh(self, tasks: Sequence[Task], workers: int = 1) -> Refreshed:
        """Bring this stage's rows up to date, computing `workers` of them side by side."""
        return refresh(
            self.store,
            self.place,
            tasks,
            self.progress,
            retry_failed=self.retry_failed,
            workers=workers,
            beside=self.beside,
        )

    def refresh_planned(self, planned: Planned, schema: pa.Schema) -> Brought:
        """Bring this stage's rows up to date where there are many: as `refresh`, in a fraction of its time."""
        return bring_up_planned(self.store, self.place, planned, schema, self.progress, retry_failed=self.retry_failed)

    def finish(
        self,
        refreshed: Finished,
        schema: pa.Schema,
        metadata: dict[str, Any],
        pictures: Pictures = dict,
        checks: Sequence[dg.AssetCheckResult] = (),
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        """Publish the manifest and report counts, pictures and checks; the data version is the manifest's digest.

        Pictures are drawn only where the manifest is new; else those drawn for it are shown again.
        """
        counts = refreshed.counts()
        table = refreshed.table(schema)
        before = read_pointer(self.store, self.place)
        seconds = round(time.monotonic() - self.started, 2)
        record = {
            "stage": self.stage,
            "partition": self.partition,
            "version": self.version,
            "settings": self.settings_used,
            "parents": self.parents,
            "run_id": self.run_id,
            "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "seconds": seconds,
            "source": self.source,
            "rows": table.num_rows,
            **counts,
        }
        self._require_no_removal()
        known = refreshed.digest if isinstance(refreshed, Brought) else ""
        digest = known or write_manifest(self.store, self.place, table)
        drawn = drawn_pictures(self.store, self.place, before, digest, self.settings_used, pictures)
        self._require_no_removal()
        point_to(self.store, self.place, {"digest": digest, **record, "pictures": sorted(drawn)}, self.expected)
        self.progress(_summary(self.place, counts, seconds))
        shown = {
            **counts,
            "seconds": seconds,
            "dagster/row_count": table.num_rows,
            "dagster/uri": self.store.uri(self.place.manifest(digest)),
            "settings": dg.MetadataValue.json(self.settings_used),
            **metadata,
        }
        pictured = {name: picture(png) for name, png in drawn.items()}
        if hidden := shown.keys() & pictured.keys():
            raise ValueError(f"{self.place}: {', '.join(sorted(hidden))} would be both a picture and another entry")
        shown |= pictured
        return dg.MaterializeResult(
            metadata=shown, data_version=dg.DataVersion(digest[:16]), check_results=list(checks)
        )

    def kept_pictures(self) -> dict[str, bytes] | None:
        """Pictures of the previous run, where it read and was set as this one; None where anything differs."""
        before = read_pointer(self.store, self.place)
        if before is None:
            return None
        same = before["parents"] == self.parents and self.set_as(before)
        return stored_pictures(self.store, self.place, before) if same else None

    def set_as(self, pointer: dict[str, Any]) -> bool:
        """Whether a manifest was made with this run's settings and version, and no removal marked it since."""
        return MUST_RETRAIN not in pointer and (pointer["settings"], pointer["version"]) == (
            self.settings_used,
            self.version,
        )

    def withdrawals(self) -> frozenset[str]:
        """Removals of patients that are complete by now."""
        return removals(self.store, self.cohort)

    def _require_no_removal(self) -> None:
        if self.withdrawals() != self.removals:
            raise dg.Failure(
                f"a patient was removed from {self.cohort} while {self.place} ran, so it is not published; ask for the "
                f"removal again, which takes what this run has written, then run {self.cohort} again",
                allow_retries=False,
            )

    def _partitions(self) -> list[str]:
        return [self.partition] if "/" in self.partition else SHARDS_BY_COHORT[self.cohort]


@contextmanager
def stage_run(context: dg.AssetExecutionContext, store: Store, version: str) -> Iterator[StageRun]:
    """Open a run of the asset in `context`; see `recorded`."""
    stage = context.asset_key.to_user_string()
    partition = context.partition_key
    complete = removals(store.objects(), cohort_of(partition))
    run = StageRun(
        store=store.objects(),
        stage=stage,
        version=version,
        partition=partition,
        cohort=cohort_of(partition),
        mapping=entry_named(cohort_of(partition)).mapping,
        launched=dict(context.op_execution_context.op_config or {}),
        run_id=context.run.run_id,
        expected=pointer_version(store.objects(), Place(stage, partition)),
        retry_failed=context.run.tags.get(RETRY_TAG) == "true",
        progress=steadfast(context.log.info),
        removals=complete,
    )
    with recorded(run.store, run.place, run.run_id, run.progress):
        yield run


def _summary(place: Place, counts: dict[str, int], seconds: float) -> str:
    aside = counts["needs_review"] + counts["rejected"] + counts["failed"]
    return (
        f"{place}: {counts['ok']} ok, {aside} set aside; {counts['computed']} computed, "
        f"{counts['reused'] + counts['resumed']} reused, {seconds:.1f} s"
    )
