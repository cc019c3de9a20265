"""Dagster runs of a study: in a process of their own, which the end of the time ends, too."""

from dataclasses import dataclass
from typing import Any

import dagster as dg

from pipelines.launches import Interrupted, Launch, Launcher, RunFailed
from pipelines.study.budget import Budget
from pipelines.study.worker import OutOfTime, Worker, WorkFailed

# What takes longer than this to begin is not begun.
SHORTEST_SECONDS = 20.0


class TimeIsUp(Interrupted):
    """The budget is spent; what is finished is kept, and the next call goes on."""


@dataclass(frozen=True, kw_only=True)
class Apart(Launcher):
    """Launches runs in the worker.

    Attributes:
        worker: where they run.
        budget: when they are ended.
        bounded: whether the budget counts; what brings scores and table up to date is let end.
    """

    worker: Worker
    budget: Budget
    bounded: bool = True

    def run(self, launch: Launch, settings: dict[str, dict[str, Any]]) -> None:
        """One run, to its end; see `Launcher.run`.

        Raises:
            TimeIsUp: there is no time left, or it was up before the end.
        """
        self._launch(launch, settings, self.budget.left if self.bounded else None)

    def train(self, launch: Launch, settings: dict[str, dict[str, Any]]) -> None:
        """One run that leaves time for scoring; else as `run`."""
        self._launch(launch, settings, self.budget.for_training if self.bounded else None)

    def _launch(self, launch: Launch, settings: dict[str, dict[str, Any]], seconds: float | None) -> None:
        if seconds is not None and seconds < SHORTEST_SECONDS:
            raise TimeIsUp(f"no time is left for {launch}")
        try:
            problem = self.worker.call(seconds, launched, launch, settings, self.tag)
        except OutOfTime:
            raise TimeIsUp(f"the time was up before the end of {launch}") from None
        except WorkFailed as failure:
            raise RunFailed(f"{launch}: {failure}") from None
        if problem is not None:
            ended, text, told = problem
            raise (Interrupted if ended else RunFailed)(text, told)


def launched(launch: Launch, settings: dict[str, dict[str, Any]], tag: str) -> tuple[bool, str, str] | None:
    """Launch a run in this process; whether it was ended from outside, and what `RunFailed` says.

    Returns:
        None where it succeeded.
    """
    with dg.DagsterInstance.get() as instance:
        try:
            Launcher(instance, tag).run(launch, settings)
        except RunFailed as failure:
            return isinstance(failure, Interrupted), str(failure), failure.told
    return None
