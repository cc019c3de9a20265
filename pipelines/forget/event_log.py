"""Dagster's own memory of a patient: its events hold pictures, and its runs' logs may name rows."""

import contextlib
import sqlite3
from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from pipelines.dead_runs import UNFINISHED, close_dead_runs
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore

PARTITION_TAG = "dagster/partition"
VERSION_TAG = "dagster/data_version"
PAGE = 500


def going(instance: dg.DagsterInstance, cohorts: Iterable[str]) -> list[str]:
    """Runs of some cohorts that have not ended, queued ones too; those aside whose process is gone."""
    close_dead_runs(instance)
    wanted = set(cohorts)
    found = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    return [run.run_id for run in found if run.tags.get(PARTITION_TAG, "").partition("/")[0] in wanted]


def delete_runs(instance: dg.DagsterInstance, places: Iterable[Place]) -> list[str]:
    """Delete every run that was of one of the places, with its events, pictures and captured output.

    Returns:
        Ids of the runs.
    """
    known = list(places)
    runs = {run for place in known for run in _materialising(instance, place)}
    for partition in {place.partition for place in known}:
        runs |= {run.run_id for run in instance.get_runs(dg.RunsFilter(tags={PARTITION_TAG: partition}))}
    for run_id in sorted(runs):
        instance.delete_run(run_id)
        instance.compute_log_manager.delete_logs(prefix=[run_id])
    return sorted(runs)


def _materialising(instance: dg.DagsterInstance, place: Place) -> set[str]:
    wanted = dg.AssetRecordsFilter(asset_key=dg.AssetKey(place.stage), asset_partitions=[place.partition])
    found: set[str] = set()
    cursor: str | None = None
    while True:
        page = instance.fetch_materializations(wanted, limit=PAGE, cursor=cursor)
        found |= {record.run_id for record in page.records}
        if not page.has_more:
            # Events that were reported by nobody's run have none to be deleted.
            return {run_id for run_id in found if instance.get_run_by_id(run_id)}
        cursor = page.cursor


def report_manifests(instance: dg.DagsterInstance, store: ObjectStore, places: Iterable[Place]) -> None:
    """Tell Dagster which manifests stand now: it keeps an asset's last event apart from the run that it was of."""
    for place in places:
        pointer = read_pointer(store, place)
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                place.stage,
                partition=place.partition,
                description="a patient withdrew; runs from before are deleted",
                metadata={"dagster/row_count": pointer["rows"] if pointer else 0},
                tags={VERSION_TAG: pointer["digest"][:16]} if pointer else {},
            )
        )


def compact(instance: dg.DagsterInstance) -> None:
    """Have local databases give up the pages of what was deleted: until then its bytes are still on the disk."""
    for path in sorted(Path(instance.root_directory).rglob("*.db")):
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as database:
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
