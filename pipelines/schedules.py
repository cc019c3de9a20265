"""Schedules: the weekly re-training, which launches nothing where nothing changed, and the daily status."""

import os
from collections.abc import Sequence

import dagster as dg

from pipelines.in_progress import rebuilding
from pipelines.jobs import EVERYTHING, rebuild_jobs
from pipelines.status import status_rows
from resources.home import store_url
from resources.object_store import ObjectStore
from resources.partitions import FOLDS, cohort_of

RETRAINING_VARIABLE = "PSEUDOPAIR_RETRAINING_CRON"
TIMEZONE_VARIABLE = "PSEUDOPAIR_TIMEZONE"
MONDAY_NIGHT = "0 3 * * 1"
EVERY_MORNING = "0 6 * * *"

everything = next(job for job in rebuild_jobs if job.name == EVERYTHING)
status_job = dg.define_asset_job(
    "status", selection=["store_status"], description="Look at the state of every stage of every cohort that was run"
)


@dg.schedule(
    name="weekly_retraining",
    job=everything,
    cron_schedule=os.environ.get(RETRAINING_VARIABLE) or MONDAY_NIGHT,
    execution_timezone=os.environ.get(TIMEZONE_VARIABLE) or "UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description=f"Rebuild every cohort in which something is not fresh, but for the folds of studies; a week without "
    f"changes launches nothing. "
    f"Off until it is turned on. {RETRAINING_VARIABLE} sets another time, {TIMEZONE_VARIABLE} the time zone.",
)
def weekly_retraining(
    context: dg.ScheduleEvaluationContext,
) -> Sequence[dg.RunRequest] | dg.SkipReason:
    """One run of `everything` a cohort that is not fresh and is not being rebuilt."""
    # Folds are brought up to date by their study, within its budget.
    rows = [row for row in status_rows(store=ObjectStore(store_url())) if cohort_of(row.partition) not in FOLDS]
    if not rows:
        return dg.SkipReason("no cohort has been run yet")
    stale = sorted({cohort_of(row.partition) for row in rows if row.state != "fresh"})
    busy = rebuilding(context.instance)
    requested = [cohort for cohort in stale if cohort not in busy]
    if not requested:
        return dg.SkipReason(f"being rebuilt already: {', '.join(stale)}" if stale else "every stage is fresh")
    tick = context.scheduled_execution_time.isoformat()
    return [dg.RunRequest(run_key=f"{tick} {cohort}", partition_key=cohort) for cohort in requested]


daily_status = dg.ScheduleDefinition(
    name="daily_status",
    job=status_job,
    cron_schedule=EVERY_MORNING,
    execution_timezone=os.environ.get(TIMEZONE_VARIABLE) or "UTC",
    default_status=dg.DefaultScheduleStatus.STOPPED,
    description="Write down the state of the store once a day, so that its freshness and its check are up to date",
)
schedules = [weekly_retraining, daily_status]
