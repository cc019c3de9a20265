"""A cohort that is run, ticked, grown and ticked again, in the process of an installation; writes what happened.

python -m tests.pipelines.growing_scenario FOLDER_OF_THE_FILES TOLD.json
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.commands.common import prepare
from pipelines.definitions import defs
from pipelines.schedules import weekly_retraining
from pipelines.sensors import source_changes
from pipelines.stages import STAGES
from resources.home import store_url
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from tests.pipelines.cohort_on_disk import NAME, CohortOnDisk

ADDED = 10


def weekly(instance: dg.DagsterInstance, week: int) -> Any:  # noqa: ANN401 (what a schedule may return)
    """A tick of the weekly schedule."""
    time = datetime(2026, 11, 2 + 7 * week, 3, tzinfo=UTC)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=time) as context:
        return weekly_retraining(context)


def sources(instance: dg.DagsterInstance, cursor: str | None) -> dg.SensorResult:
    """A tick of the sensor."""
    with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
        result = source_changes(context)
    assert isinstance(result, dg.SensorResult)
    return result


def execute(instance: dg.DagsterInstance, job: str) -> dict[str, Any]:
    """Execute a job for the cohort: the stage jobs that it launched, and what each stage computed in them."""
    result = defs.resolve_job_def(job).execute_in_process(instance=instance, partition_key=NAME)
    tag = result.run_id[:12]
    runs = instance.get_runs(dg.RunsFilter(tags={"pseudopair/run": tag}))
    ids = {run.run_id for run in runs}
    store = ObjectStore(store_url())
    computed: dict[str, int] = {}
    for stage in STAGES:
        for partition in stage.partitions(NAME):
            pointer = read_pointer(store, Place(stage.name, partition))
            if pointer and pointer["run_id"] in ids:
                computed[f"{stage.name} {partition}"] = pointer["computed"]
    launched = [f"{run.job_name} {run.tags['dagster/partition']}" for run in reversed(runs) if run.job_name != job]
    return {"launched": launched, "computed": computed, "statuses": sorted({run.status.value for run in runs})}


def said(result: Any) -> Any:  # noqa: ANN401
    """A tick's result as JSON."""
    if isinstance(result, dg.SkipReason):
        return {"skipped": result.skip_message}
    return {"requested": [[request.run_key, request.partition_key] for request in result]}


def main() -> None:
    """The scenario."""
    prepare()
    cohort, happened = CohortOnDisk(Path(sys.argv[1])), {}
    with dg.DagsterInstance.get() as instance:
        happened["before"] = said(weekly(instance, 0))
        happened["first"] = execute(instance, "everything")
        happened["quiet"] = said(weekly(instance, 1))
        happened["again"] = execute(instance, "everything")
        happened["nothing seen"] = said(sources(instance, None).skip_reason)
        cohort.add(ADDED, shard=0)
        settling = sources(instance, None)
        happened["settling"] = said(settling.skip_reason)
        happened["seen"] = said(sources(instance, settling.cursor).run_requests)
        happened["seen again"] = said(sources(instance, settling.cursor).run_requests)
        happened["grown"] = said(weekly(instance, 2))
        happened["data"] = execute(instance, "data")
        happened["settled"] = said(sources(instance, settling.cursor).skip_reason)
        happened["after data"] = said(weekly(instance, 2))
        happened["rest"] = execute(instance, "everything")
        happened["quiet again"] = said(weekly(instance, 3))
    Path(sys.argv[2]).write_text(json.dumps(happened), encoding="utf-8")


if __name__ == "__main__":
    main()
