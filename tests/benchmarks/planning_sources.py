"""The radiographs of a cohort planned from its table as their asset plans them; files are names, sizes and stamps."""

import time
from collections.abc import Collection
from typing import Any
from unittest import mock

from assets.radiographs import asset, asset_todo
from assets.radiographs.declaration import CohortDeclaration, parse_declaration
from assets.radiographs.plan import Planned
from assets.radiographs.settings import RadiographSettings
from assets.tables.alignment import RADIOGRAPHS
from resources.dagster_shapes import set_aside_table
from resources.incremental import Outcome
from resources.object_store import ObjectStore
from resources.tombstones import withdrawn
from tests.benchmarks.planning_cohort import COHORT, TINY, shards_of
from tests.benchmarks.planning_stages import Seconds, opened, shard_name

TABLE = "table.csv"


class Sources:
    """A source storage in memory: a table of two images a patient, and what would be told of their files."""

    def __init__(self, rows: int, changed: Collection[int]) -> None:
        lines = (f"{number}.png,{('normal', 'ill')[number // 2 % 2]},p{number // 2}" for number in range(rows))
        self._table = "\n".join(("image,label,patient", *lines)).encode()
        self._stats = {f"{number}.png": (9, f"etag {number in changed}") for number in range(rows)}

    def read(self, path: str) -> bytes:
        """The table, or bytes that stand for a file as it is now."""
        return self._table if path == TABLE else f"{path} {self._stats[path]}".encode()

    def open(self, path: str) -> None:
        """Nothing is read in passing."""
        raise AssertionError(path)

    def stats(self, folder: str) -> dict[str, tuple[int, str]]:
        """Size and stamp of all files."""
        return self._stats


def ingested(store: ObjectStore, rows: int, every: int | None = None) -> Seconds:
    """Bring the radiographs of all shards up to date, each `every`-th file replaced under its own name."""
    sources = Sources(rows, range(0, rows, every) if every else ())
    declaration = _declaration(rows)
    started, processor = time.perf_counter(), time.process_time()
    with (
        mock.patch.object(asset_todo, "ObjectStore", return_value=sources),
        mock.patch.object(asset_todo, "_work", _work),
    ):
        computed = sum(_shard(store, declaration, shard_name(rows, shard)) for shard in range(shards_of(rows)))
    return Seconds({"radiographs": time.perf_counter() - started}, time.process_time() - processor, computed)


def _declaration(rows: int) -> CohortDeclaration:
    said: dict[str, Any] = {"name": COHORT, "root": "/nowhere", "table": TABLE, "columns": {"patient": "patient"}}
    labels = {"normal_labels": ["normal"], "abnormal_labels": ["ill"]}
    return parse_declaration({**said, **labels, "shards": shards_of(rows)})


def _shard(store: ObjectStore, declaration: CohortDeclaration, partition: str) -> int:
    run = opened(store, "radiographs", asset.VERSION, partition)
    gone = withdrawn(run.store, run.cohort)
    todo = asset_todo.files_todo(run, declaration, run.settings(RadiographSettings), gone)
    done = asset.brought(run, todo, gone)
    run.finish(done, RADIOGRAPHS, {"set_aside": set_aside_table(done.rows)})
    todo.remember({row["row"] for row in done.rows if row["status"] != "failed"})
    return done.computed


def _work(planned: Planned, source: Sources, settings: RadiographSettings) -> Outcome:
    return Outcome({"radiograph_id": planned.digests[0], "boxes": []}, TINY.arrays)
