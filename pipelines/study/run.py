"""`pseudopair study`: what is planned, with estimates, and a call from its beginning to its end."""

import uuid
from dataclasses import dataclass

import dagster as dg

from assets.study.settings import StudyFile
from assets.translation.arms import Gan
from pipelines.environments import resources
from pipelines.launches import Echo, stages_until
from pipelines.study.budget import Budget
from pipelines.study.conduct import AFTER, Conductor
from pipelines.study.launching import Apart
from pipelines.study.members import measured_seconds, seconds_of, settled, translation
from pipelines.study.plan import Round, gan_methods, rounds
from pipelines.study.step_time import training_seconds
from pipelines.study.table import TABLE
from pipelines.study.worker import Worker, WorkFailed
from resources.home import store_url
from resources.object_store import ObjectStore


@dataclass(frozen=True)
class Planned:
    """A round as a person sees it.

    Attributes:
        round: the round.
        missing: in how many of its folds something is still to be trained; what failed is not trained again.
    """

    round: Round
    missing: int

    @property
    def seconds(self) -> float:
        """What is still to be trained takes so long, by an estimate."""
        return self.missing * self.round.seconds


def study_plan(study: StudyFile, only: str | None) -> list[Planned]:
    """The rounds of a study and how much of each is still to be trained.

    Args:
        study: a registered study.
        only: name of the only protocol to be looked at.
    """
    store = ObjectStore(store_url())
    with Worker() as worker:
        found = _rounds(study, only, store, worker)
    there = {cohort: set(settled(store, cohort)) for each in found for cohort in each.cohorts}
    return [
        Planned(each, sum(not there[cohort].issuperset(each.trainings) for cohort in each.cohorts)) for each in found
    ]


def run_study(study: StudyFile, echo: Echo, *, hours: float | None, only: str | None, until: str | None) -> list[str]:
    """Run a study, or go on with it.

    Args:
        study: a registered study.
        echo: takes one line a run.
        hours: time it may take; by default the study's own budget.
        only: name of the only protocol to be run.
        until: name of the last stage to run; by default all, and the table.

    Returns:
        Why runs failed; what does not depend on them was done.

    Raises:
        RunFailed: there is no such stage.
    """
    stages = {stage.name for stage in stages_until(until)} | (set() if until else {TABLE})
    store = ObjectStore(store_url())
    budget = Budget(study.hours if hours is None else hours)

    def say(line: str) -> None:
        echo(f"[{budget}] {line}")

    with Worker() as worker, dg.DagsterInstance.get() as instance:
        planned = _rounds(study, only, store, worker)
        widest = max((each.cohorts for each in planned), key=len)
        budget.reserve = seconds_of(store, widest, [stage.name for stage in AFTER])
        launcher = Apart(instance, uuid.uuid4().hex[:12], worker=worker, budget=budget)
        conductor = Conductor(study.name, store, launcher, say, frozenset(stages))
        done = conductor.conduct(planned)
    say(closing_line(done=done and not conductor.failures, whole=only is None and until is None))
    return list(dict.fromkeys(conductor.failures))


def closing_line(*, done: bool, whole: bool) -> str:
    """What a call has reached: all that was asked for, or not; and whether that was the whole study."""
    if not done:
        return "there is more to do"
    return "every arm is trained and scored" if whole else "what was asked for is done, which is not the whole study"


def _rounds(study: StudyFile, only: str | None, store: ObjectStore, worker: Worker) -> list[Round]:
    chosen = study.model_copy(
        update={"protocols": [protocol for protocol in study.protocols if only in (None, protocol.name)]}
    )
    at_once = resources()["accelerator"].trainings_at_once(sum(len(each.arms) for each in chosen.protocols))
    seconds: dict[str, float] = {
        method: measured_seconds(store, study, method) or _estimated(chosen, method, at_once, worker)
        for method in gan_methods(chosen)
    }
    return rounds(chosen, seconds, at_once)


def _estimated(study: StudyFile, method: Gan, at_once: int, worker: Worker) -> float:
    """By a few steps; a method that cannot be trained is told when its turn comes."""
    cohort = study.fold_cohorts(study.protocols[0])[0]
    try:
        return float(worker.call(None, training_seconds, method, translation(cohort), at_once))
    except WorkFailed:
        return 1.0
