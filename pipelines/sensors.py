"""Sensors: sources that changed, and runs that failed."""

import json
import os
import urllib.request
from datetime import UTC, datetime
from http.client import HTTPException

import dagster as dg

from pipelines.in_progress import PARTITION_TAG, rebuilding
from pipelines.jobs import DATA, rebuild_jobs
from pipelines.launches import told, words
from pipelines.status import begun_cohorts, radiograph_pointers, sources_now
from resources.home import store_url
from resources.manifests import fingerprint
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT

ALERT_VARIABLE = "PSEUDOPAIR_ALERT_URL"
ALERT_SECONDS = 10
INTERVAL_VARIABLE = "PSEUDOPAIR_SOURCES_SECONDS"
FIVE_MINUTES = 300

data = next(job for job in rebuild_jobs if job.name == DATA)


@dg.sensor(
    name="source_changes",
    job=data,
    minimum_interval_seconds=int(os.environ.get(INTERVAL_VARIABLE) or FIVE_MINUTES),
    default_status=dg.DefaultSensorStatus.STOPPED,
    description="Ask for `data` of every cohort whose sources are others than those its radiographs were made from. "
    "They must look the same at two ticks in a row: a folder that is being copied into is left to settle. "
    f"Off until it is turned on. {INTERVAL_VARIABLE} sets another interval.",
)
def source_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    """At most one run a change, cohort and day (UTC): a run that failed is asked for again the next day."""
    store = ObjectStore(store_url())
    before: dict[str, str] = json.loads(context.cursor or "{}")
    busy = rebuilding(context.instance)
    seen: dict[str, str] = {}
    said: list[str] = []
    requests = []
    for cohort in begun_cohorts(store):
        change = _change(store, cohort)
        if change is None:
            said.append(f"{cohort}: its sources cannot be read; check its root, table and credentials")
        elif cohort in busy:
            said.append(f"{cohort}: being rebuilt")
        elif change:
            seen[cohort] = change
            if before.get(cohort) == change:
                requests.append(dg.RunRequest(run_key=f"{cohort} {change} {today()}", partition_key=cohort))
            else:
                said.append(f"{cohort}: its sources changed and are left to settle")
    return dg.SensorResult(
        run_requests=requests,
        skip_reason=None if requests else dg.SkipReason("; ".join(said) or "no source changed"),
        cursor=json.dumps(seen),
    )


def today() -> str:
    """The day of the tick."""
    return datetime.now(UTC).date().isoformat()


def _change(store: ObjectStore, cohort: str) -> str | None:
    """Fingerprint of a change of a cohort's sources, empty where there is none, None where they cannot be read."""
    sources = sources_now(cohort)
    if sources is None:
        return None
    pointers = radiograph_pointers(store, SHARDS_BY_COHORT[cohort])
    used = {shard: (pointer or {}).get("source") for shard, pointer in pointers.items()}
    if used == sources:
        return ""
    # With the runs that made the present state: sources that go back to what they once were are a change, too.
    runs = {shard: (pointer or {}).get("run_id") for shard, pointer in pointers.items()}
    return fingerprint([sources, runs])


@dg.run_failure_sensor(
    name="run_failures",
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=f"Log a failed run and, where {ALERT_VARIABLE} is set, post it there as JSON: job, partition, run "
    "id and error",
)
def run_failures(context: dg.RunFailureSensorContext) -> None:
    """Tell of a failed run; a receiver that doesn't answer is logged, and is no error."""
    run, failed = context.dagster_run, context.get_step_failure_events()
    message = told(words(failed[0])) if failed else (context.failure_event.message or "").partition("\n")[0]
    alert = {
        "job": run.job_name,
        "partition": run.tags.get(PARTITION_TAG, ""),
        "run_id": run.run_id,
        "error": message,
    }
    context.log.error(json.dumps(alert))
    url = os.environ.get(ALERT_VARIABLE)
    problem = _post(url, alert) if url else ""
    if problem:
        context.log.warning(f"the receiver of {ALERT_VARIABLE} could not be told: {problem}")


def _post(url: str, alert: dict[str, str]) -> str:
    """Post an alert; why it could not be, empty where it was."""
    try:
        request = urllib.request.Request(url, json.dumps(alert).encode(), {"Content-Type": "application/json"})
        if not request.type.startswith("http"):
            return "it is no http(s) address"
        with urllib.request.urlopen(request, timeout=ALERT_SECONDS):
            return ""
    except (OSError, ValueError, HTTPException) as error:
        # The words of the error may quote the address, and that a token.
        return type(error).__name__


sensors = [source_changes, run_failures]
