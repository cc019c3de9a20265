"""`pseudopair run`: the stages of one cohort, launched in order through Dagster under one tag."""

import os
import socket
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import dagster as dg

from pipelines.definitions import defs
from pipelines.stages import STAGES, Stage
from pipelines.versions import VERSIONS
from resources.borrowed import lends, wrong_lender
from resources.catalogue import entry_named
from resources.home import store_url
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT, cohort_of
from resources.stage_run import RETRY_TAG

RUN_TAG = "pseudopair/run"
PROCESS_TAG = "pseudopair/process"
SEGMENTER = "lung_segmenter"
# How Dagster begins the text of an error that a stage raised on purpose.
FAILURE = "dagster._core.definitions.events.Failure: "
Echo = Callable[[str], None]


class RunFailed(RuntimeError):
    """A stage failed; the message says which, for which partition, why, and what to do."""


@dataclass(frozen=True)
class Launch:
    """One Dagster run to come: a job for one partition, and the stages in it."""

    job: str
    partition: str
    stages: tuple[str, ...]


def launches(cohort: str, until: str | None = None) -> Iterator[Launch]:
    """The runs of a cohort in order: every shard of a per-image job, then the cohort's models, and so on.

    Args:
        cohort: the cohort's name.
        until: name of the last stage to run; all of them by default.
    """
    for job, members in groupby(_stages_until(until), key=lambda stage: stage.job):
        stages = list(members)
        for partition in stages[0].partitions(cohort):
            yield Launch(job, partition, tuple(stage.name for stage in stages))


def run_cohort(
    cohort: str,
    overrides: dict[str, dict[str, Any]],
    echo: Echo,
    *,
    until: str | None = None,
    retry_failed: bool = False,
) -> str:
    """Materialise every stage of a cohort; returns the tag's value, under which the runs stand in the UI.

    Raises:
        RunFailed: a run failed. What was finished before it is kept.
    """
    tag = uuid.uuid4().hex[:12]
    tags = {RUN_TAG: tag, PROCESS_TAG: _process(os.getpid()), **({RETRY_TAG: "true"} if retry_failed else {})}
    planned = [(launch, overrides) for launch in launches(cohort, until)]
    lender = untrained_lender(cohort, overrides, until)
    if lender:
        what = f"{cohort} borrows the lung segmenter of {lender}, which has none of version {VERSIONS[SEGMENTER]} yet"
        echo(f"{what}: {lender} is run up to it first")
        # Settings of this launch are this cohort's.
        planned = [*((launch, {}) for launch in launches(lender, SEGMENTER)), *planned]
    with dg.DagsterInstance.get() as instance:
        close_dead_runs(instance)
        for launch, settings in planned:
            echo(f"{' → '.join(launch.stages)}  [{launch.partition}]")
            result = defs.resolve_job_def(launch.job).execute_in_process(
                instance=instance,
                partition_key=launch.partition,
                asset_selection=[dg.AssetKey(name) for name in launch.stages],
                tags=tags,
                run_config=_run_config(launch, settings),
                raise_on_error=False,
            )
            if not result.success:
                raise RunFailed(_failure(launch, result) + _way_out(launch, cohort))
    return tag


def _way_out(launch: Launch, cohort: str) -> str:
    """What else can be done where not the cohort itself failed but the one that it borrows from."""
    if cohort_of(launch.partition) == cohort:
        return ""
    return f"; --set {SEGMENTER}.borrow_from= runs {cohort} without it"


def untrained_lender(
    cohort: str, overrides: dict[str, dict[str, Any]], until: str | None = None, store: ObjectStore | None = None
) -> str | None:
    """The cohort whose segmenter this one borrows, where that has none of this version and a run to `until` needs it.

    Raises:
        RunFailed: no such cohort, the cohort itself, or one that borrows, too.
    """
    lender = _lender(cohort, overrides)
    if not lender or SEGMENTER not in [stage.name for stage in _stages_until(until)]:
        return None
    problem = wrong_lender(SEGMENTER, cohort, lender, SHARDS_BY_COHORT)
    if problem:
        raise RunFailed(problem)
    if lends(store or ObjectStore(store_url()), SEGMENTER, lender, VERSIONS[SEGMENTER]):
        return None
    if _lender(lender, {}):
        raise RunFailed(
            f"cohort {cohort} borrows the lung segmenter of {lender}, which itself borrows that of "
            f"{_lender(lender, {})}; borrow that one"
        )
    return lender


def _lender(cohort: str, overrides: dict[str, dict[str, Any]]) -> str:
    declared = entry_named(cohort).mapping.get("settings", {}).get(SEGMENTER, {})
    return str({**declared, **overrides.get(SEGMENTER, {})}.get("borrow_from") or "")


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report runs of `run_cohort` as failed whose process on this machine is gone: nobody else would ever do it.

    Returns:
        Ids of the runs closed.
    """
    going = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]))
    host = _process(0).partition(":")[0]
    dead = []
    for run in going:
        where, _, pid = run.tags.get(PROCESS_TAG, "").partition(":")
        if where == host and pid and not _alive(int(pid)):
            instance.report_run_failed(run, "its process ended without a word; finished rows are kept, run again")
            # Else the next training would wait for ever for the pool's slot that the dead one holds.
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            dead.append(run.run_id)
    return dead


def _process(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def _alive(pid: int) -> bool:
    if os.name == "nt":
        # Signal 0 is a keyboard interrupt there; a run that died stays for its owner to end in the UI.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stages_until(until: str | None) -> list[Stage]:
    names = [stage.name for stage in STAGES]
    if until is None:
        return list(STAGES)
    if until not in names:
        raise RunFailed(f"there is no stage {until!r}; the stages are: {', '.join(names)}")
    return list(STAGES[: names.index(until) + 1])


def _run_config(launch: Launch, overrides: dict[str, dict[str, Any]]) -> dict[str, Any]:
    ops = {name: {"config": overrides[name]} for name in launch.stages if overrides.get(name)}
    return {"ops": ops, "loggers": {"console": {"config": {"log_level": "INFO"}}}}


def _failure(launch: Launch, result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            cause = error.cause if error and error.cause else error
            message = cause.message.strip().removeprefix(FAILURE) if cause else "no message"
            return f"{event.step_key} [{launch.partition}] failed: {message} (run {result.run_id[:8]} in the UI)"
    return f"{launch.job} [{launch.partition}] failed before a step began (run {result.run_id[:8]} in the UI)"
