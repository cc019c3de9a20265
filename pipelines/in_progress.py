"""Which cohorts are being run at this moment."""

import dagster as dg

from pipelines.dead_runs import RUN_TAG, UNFINISHED, close_dead_runs
from pipelines.jobs import REBUILDS
from resources.partitions import cohort_of

PARTITION_TAG = "dagster/partition"


def rebuilding(instance: dg.DagsterInstance) -> set[str]:
    """Cohorts of which a rebuild is queued or going, or which `pseudopair run` runs.

    Runs whose process died are closed first.
    """
    close_dead_runs(instance)
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    grouped = [run.tags for run in runs if run.job_name in REBUILDS or RUN_TAG in run.tags]
    return {cohort_of(tags[PARTITION_TAG]) for tags in grouped if PARTITION_TAG in tags}
