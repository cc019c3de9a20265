"""The status of the whole store as an asset: what is stale, day by day, where Dagster's own UI cannot tell it."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import get_args

import dagster as dg

from pipelines.status import State, StatusRow
from pipelines.study.status import rows_of
from resources.dagster_shapes import table
from resources.partitions import cohort_of
from resources.stage_run import Store

CHECK = "nothing_stale"
STATES: tuple[State, ...] = get_args(State)
COLUMNS: dict[str, str] = {"cohort": "string", "stage": "string", **dict.fromkeys(STATES, "int"), "why": "string"}


@dg.asset(
    group_name="store",
    kinds={"python"},
    owners=["team:imaging"],
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=50), warn_window=timedelta(hours=26)),
    check_specs=[
        dg.AssetCheckSpec(CHECK, asset="store_status", description="Every stage of every cohort that was run is fresh")
    ],
)
def store_status(store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """How many partitions of each stage are fresh, stale, failed or missing, and why; looked at once a day.

    It alone has a freshness policy. The stages are made again when something changed, not by the clock: a quiet week
    would turn every one of them red.
    """
    rows = rows_of(store=store.objects())
    counts = Counter(row.state for row in rows)
    passed = counts["fresh"] == len(rows)
    return dg.MaterializeResult(
        metadata={"states": table(_summary(rows), COLUMNS), **{state: counts[state] for state in STATES}},
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=passed,
                severity=dg.AssetCheckSeverity.WARN,
                metadata={"not_fresh": len(rows) - counts["fresh"]},
            )
        ],
    )


def _summary(rows: Sequence[StatusRow]) -> list[dict[str, str | int]]:
    """One line a cohort (or study) and stage: partitions by state, and the first reason."""
    shown: list[dict[str, str | int]] = []
    for cohort in dict.fromkeys(cohort_of(row.partition) for row in rows):
        own = [row for row in rows if cohort_of(row.partition) == cohort]
        for stage in dict.fromkeys(row.stage for row in own):
            here = [row for row in own if row.stage == stage]
            states = Counter(row.state for row in here)
            why = next((row.why for row in here if row.why), "")
            shown.append({"cohort": cohort, "stage": stage, **{state: states[state] for state in STATES}, "why": why})
    return shown
