"""Dagster runs of the stages, launched one after the other in this process."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import dagster as dg

from pipelines.dead_runs import close_dead_runs, process_tags
from pipelines.stages import STAGE_NAMES, STAGES, Stage
from resources.stage_run import RETRY_TAG

# How Dagster begins the text of an error that a stage raised on purpose.
FAILURE = "dagster._core.definitions.events.Failure: "
INTERRUPTED = "UNEXPECTED_TERMINATION"
Echo = Callable[[str], None]


class RunFailed(RuntimeError):
    """A stage failed; the message says which, for which partition, why, and what to do.

    Attributes:
        told: the same for outside: the words of an error that no stage raised on purpose may name a file.
    """

    def __init__(self, message: str, told: str = "") -> None:
        super().__init__(message)
        self.told = told or message


class Interrupted(RunFailed):
    """Somebody ended the run; nothing else is to be launched."""


@dataclass(frozen=True)
class Launch:
    """One Dagster run to come: a job for one partition, and the stages in it."""

    job: str
    partition: str
    stages: tuple[str, ...]

    def __str__(self) -> str:
        return f"{' → '.join(self.stages)}  [{self.partition}]"


def launches(cohort: str, stages: Sequence[Stage] = STAGES) -> Iterator[Launch]:
    """The runs of a cohort in order: every shard of a per-image job, then the cohort's models, and so on."""
    for job, grouped in groupby(stages, key=lambda stage: stage.job):
        members = list(grouped)
        for partition in members[0].partitions(cohort):
            yield Launch(job, partition, tuple(stage.name for stage in members))


def stages_until(until: str | None, stages: Sequence[Stage] = STAGES) -> Sequence[Stage]:
    """The stages up to one of them, all by default.

    Args:
        until: name of the last stage.
        stages: those of a cohort, in its order; one that has not that stage ends before it.

    Raises:
        RunFailed: there is no such stage.
    """
    if until is None:
        return stages
    if until not in STAGE_NAMES:
        raise RunFailed(f"there is no stage {until!r}; the stages are: {', '.join(STAGE_NAMES)}")
    names = [stage.name for stage in stages]
    if until in names:
        return stages[: names.index(until) + 1]
    return [stage for stage in stages if stage.name in STAGE_NAMES[: STAGE_NAMES.index(until)]]


@dataclass(frozen=True)
class Launcher:
    """Launches runs in this process, as one group.

    Attributes:
        instance: where Dagster records them.
        tag: value of the tag under which they stand in the UI.
        retry_failed: compute rejected and failed rows again.
    """

    instance: dg.DagsterInstance
    tag: str
    retry_failed: bool = False

    def __post_init__(self) -> None:
        close_dead_runs(self.instance)

    def run(self, launch: Launch, settings: dict[str, dict[str, Any]]) -> None:
        """One run, to its end.

        Args:
            launch: what to run.
            settings: settings by stage; those that are not named are the cohort's.

        Raises:
            RunFailed: it failed.
            Interrupted: it was ended from outside.
        """
        # Definitions hold the jobs that launch these runs, so they cannot be there before this module is.
        from pipelines.definitions import defs

        result = defs.resolve_job_def(launch.job).execute_in_process(
            instance=self.instance,
            partition_key=launch.partition,
            asset_selection=[dg.AssetKey(name) for name in launch.stages],
            tags={**process_tags(self.tag), **({RETRY_TAG: "true"} if self.retry_failed else {})},
            run_config=_run_config(launch, settings),
            raise_on_error=False,
        )
        if not result.success:
            raise _failure(launch, result)


def words(failure: dg.DagsterEvent) -> str:
    """What the error that failed a step says."""
    error = failure.step_failure_data.error
    cause = error.cause if error and error.cause else error
    return cause.message.strip() if cause else "no message"


def told(message: str) -> str:
    """First line of an error that was raised on purpose, the kind alone of any other."""
    first = message.strip().partition("\n")[0]
    return first.removeprefix(FAILURE) if first.startswith(FAILURE) else first.partition(":")[0].rpartition(".")[2]


def _run_config(launch: Launch, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    ops = {name: {"config": settings[name]} for name in launch.stages if settings.get(name)}
    return {"ops": ops, "loggers": {"console": {"config": {"log_level": "INFO"}}}}


def _failure(launch: Launch, result: dg.ExecuteInProcessResult) -> RunFailed:
    seen = f"(run {result.run_id[:8]} in the UI)"
    for event in result.all_events:
        if event.is_job_failure and getattr(event.job_failure_data.failure_reason, "value", "") == INTERRUPTED:
            return Interrupted(f"{launch.job} [{launch.partition}] was ended from outside {seen}")
    for event in result.all_events:
        if event.is_step_failure:
            message = words(event)
            begun = f"{event.step_key} [{launch.partition}] failed:"
            return RunFailed(f"{begun} {message.removeprefix(FAILURE)} {seen}", f"{begun} {told(message)} {seen}")
    return RunFailed(f"{launch.job} [{launch.partition}] failed before a step began {seen}")
