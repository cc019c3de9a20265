"""A study conducted in a made-up world: its clock, its worker and its store are told what happens."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.study.settings import parse_study
from pipelines.launches import Interrupted, Launch, Launcher, RunFailed
from pipelines.stages import STAGE_NAMES, Stage
from pipelines.study import conduct
from pipelines.study.budget import Budget
from pipelines.study.conduct import Conductor
from pipelines.study.launching import SHORTEST_SECONDS, Apart
from pipelines.study.plan import Round, rounds
from pipelines.study.table import TABLE
from pipelines.study.worker import OutOfTime, Work, Worker, WorkFailed
from resources.catalogue import Entry
from resources.object_store import ObjectStore

PREPARING, SCORING, TABULATING = 40.0, 15.0, 1.0
TRAINING = {"cut": 300.0, "cyclegan": 500.0, "pca": 2.0}
STUDY = parse_study(
    {
        "name": "tried",
        "cohort": "phantom",
        "protocols": [
            {"name": "gan", "folds": 2, "arms": ["none/pca", "none/cut", "it_pr/cyclegan"], "seeds": [0, 1]},
            {"name": "cheap", "folds": 3, "arms": ["none/pca"]},
        ],
    }
)
GANS = {f"{arm}/{seed}" for arm in ("none/cut", "it_pr/cyclegan") for seed in (0, 1)}


@dataclass
class World:
    """What is there, and what has happened.

    Attributes:
        now: s.
        prepared: cohorts whose frames are there.
        trained: trainings by cohort.
        diverged: trainings that gave no translator, by cohort.
        progress: seconds that a checkpoint has of a training.
        scored: what of a cohort is scored.
        tabulated: what the table was made from.
        launches: every launch, with what it asks of the translators.
        broken: stages or trainings that fail, with their cohort.
        ended: a stage with its cohort that somebody ends from outside.
        killed_at: time at which the user interrupts.
    """

    now: float = 0.0
    prepared: set[str] = field(default_factory=set)
    trained: dict[str, set[str]] = field(default_factory=dict)
    diverged: dict[str, set[str]] = field(default_factory=dict)
    progress: dict[tuple[str, str], float] = field(default_factory=dict)
    scored: dict[str, set[str]] = field(default_factory=dict)
    tabulated: dict[str, set[str]] | None = None
    launches: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    broken: set[tuple[str, str]] = field(default_factory=set)
    ended: tuple[str, str] | None = None
    killed_at: float | None = None

    def pass_time(self, seconds: float, limit: float | None) -> None:
        spent = seconds if limit is None else min(seconds, limit)
        if self.killed_at is not None and self.now + spent > self.killed_at:
            self.now = self.killed_at
            raise KeyboardInterrupt
        self.now += spent
        if spent < seconds:
            raise OutOfTime

    def launched(self, launch: Launch, given: dict[str, Any], limit: float | None) -> tuple[bool, str, str] | None:
        stage, cohort = launch.stages[0], launch.partition
        only = tuple(given.get("translator", {}).get("only", ()))
        self.launches.append((stage, cohort, only))
        if (stage, cohort) in self.broken:
            self.now += 1
            return False, f"{stage} [{cohort}] failed", "told"
        if (stage, cohort) == self.ended:
            return True, f"{stage} [{cohort}] was ended from outside", "told"
        diverging = {name for name in only if (name, cohort) in self.broken}
        self.diverged.setdefault(cohort, set()).update(diverging)
        only = tuple(name for name in only if name not in diverging)
        if stage == "translator":
            self.train(cohort, only, limit)
        elif stage == TABLE:
            self.pass_time(TABULATING, limit)
            self.tabulated = {name: set(found) for name, found in self.scored.items()}
        elif stage == "radiographs":
            self.pass_time(PREPARING, limit)
            self.prepared.add(cohort)
        else:
            self.pass_time(SCORING, limit)
            assert self.trained.get(cohort), f"{stage} [{cohort}] has no translator to score"
            self.scored[cohort] = set(self.trained[cohort])
        return None

    def settled(self, cohort: str) -> dict[str, str]:
        diverged = dict.fromkeys(self.diverged.get(cohort, ()), "it diverged")
        return dict.fromkeys(self.trained.get(cohort, ()), "") | diverged

    def train(self, cohort: str, only: Sequence[str], limit: float | None) -> None:
        """Side by side; one that is cut off goes on where it stood."""
        begun = self.now
        left = {name: TRAINING[name.split("/")[1]] - self.progress.get((cohort, name), 0.0) for name in only}
        try:
            self.pass_time(max(left.values(), default=1.0), limit)
        finally:
            for name, seconds in left.items():
                done = min(seconds, self.now - begun)
                self.progress[cohort, name] = self.progress.get((cohort, name), 0.0) + done
                if done == seconds:
                    self.trained.setdefault(cohort, set()).add(name)


class OfTheWorld(Worker):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def call(self, seconds: float | None, work: Work, *arguments: Any) -> Any:  # noqa: ANN401
        launch, given, _ = arguments
        if (launch.stages[0], "dies") in self.world.broken:
            raise WorkFailed("its process ended without a word")
        return self.world.launched(launch, given, seconds)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    here = World()

    def rebuilt(cohort: str, stages: Sequence[Stage], launcher: Launcher, echo: object, *, in_part: bool) -> int:
        names = [stage.name for stage in stages]
        if "radiographs" in names and cohort not in here.prepared:
            launcher.run(Launch("stage_sources", cohort, ("radiographs",)), {})
        if "evaluation" in names and here.scored.get(cohort, set()) != here.trained.get(cohort, set()):
            launcher.run(Launch("stage_evaluate", cohort, ("evaluation",)), {})
        return 0

    def why(store: object, study: str) -> str:
        return "" if here.tabulated == here.scored else "changed"

    monkeypatch.setattr(conduct, "rebuild", rebuilt)
    monkeypatch.setattr(conduct, "entry_named", lambda cohort: Entry(Path(), cohort, {}))
    monkeypatch.setattr(conduct, "settled", lambda store, cohort: here.settled(cohort))
    monkeypatch.setattr(conduct, "why_not_fresh", why)
    return here


@pytest.fixture(scope="module")
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def planned(at_once: int = 1) -> list[Round]:
    return rounds(STUDY, TRAINING, at_once)


def conducted(
    world: World,
    instance: dg.DagsterInstance,
    hours: float | None = None,
    stages: frozenset[str] = frozenset([*STAGE_NAMES, TABLE]),
    at_once: int = 1,
) -> tuple[bool, Conductor, list[str]]:
    said: list[str] = []
    budget = Budget(hours, lambda: world.now, reserve=3 * SCORING)
    launcher = Apart(instance, "tag", worker=OfTheWorld(world), budget=budget)
    conductor = Conductor(STUDY.name, ObjectStore("memory://nothing"), launcher, said.append, stages)
    return conductor.conduct(planned(at_once)), conductor, said


def everything() -> dict[str, set[str]]:
    return {
        **{f"tried-2-{fold}": {"none/pca/0", *GANS} for fold in range(2)},
        **{f"tried-3-{fold}": {"none/pca/0"} for fold in range(3)},
    }


def test_without_a_limit_everything_is_trained_scored_and_in_the_table(
    world: World, instance: dg.DagsterInstance
) -> None:
    done, conductor, _ = conducted(world, instance)
    assert done
    assert conductor.failures == []
    assert world.trained == world.scored == world.tabulated == everything()
    trainings = [(only, cohort) for stage, cohort, only in world.launches if stage == "translator"]
    assert trainings == [
        (("none/pca/0",), "tried-2-0"),
        (("none/pca/0",), "tried-2-1"),
        (("none/pca/0",), "tried-3-0"),
        (("none/pca/0",), "tried-3-1"),
        (("none/pca/0",), "tried-3-2"),
        *(((name,), f"tried-2-{fold}") for name in ("none/cut/0", "it_pr/cyclegan/0") for fold in range(2)),
        *(((name,), f"tried-2-{fold}") for name in ("none/cut/1", "it_pr/cyclegan/1") for fold in range(2)),
    ]
    stages = [stage for stage, _, _ in world.launches]
    # Two rounds without a GAN, four with one: the table is never older than the last finished round.
    assert stages.count(TABLE) == 6
    assert stages[-1] == TABLE


def test_a_second_call_has_nothing_to_launch(world: World, instance: dg.DagsterInstance) -> None:
    conducted(world, instance)
    world.launches.clear()
    done, conductor, said = conducted(world, instance, hours=0.5)
    assert (done, conductor.failures, world.launches, said) == (True, [], [], [])


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(minutes=st.lists(st.floats(2, 40), min_size=1, max_size=4), at_once=st.integers(1, 3))
def test_calls_with_a_limit_end_in_time_with_a_table_and_together_train_each_arm_once(
    world: World, instance: dg.DagsterInstance, minutes: list[float], at_once: int
) -> None:
    vars(world).update(vars(World()))
    for call in range(200):
        begun, limit = world.now, 60 * minutes[call % len(minutes)]
        done, conductor, said = conducted(world, instance, hours=limit / 3600, at_once=at_once)
        assert conductor.failures == []
        # Scoring what was trained may run over, by no more than it takes.
        assert world.now - begun <= limit + 3 * SCORING + TABULATING
        assert world.scored == {name: found for name, found in world.trained.items() if found or name in world.scored}
        assert (world.tabulated or {}) == world.scored
        if done:
            break
        assert said[-1] != ""
    assert done, "every call gets further"
    assert world.trained == everything()
    spent = {key: seconds for key, seconds in world.progress.items() if "pca" not in key[1]}
    assert all(seconds == pytest.approx(TRAINING[name.split("/")[1]]) for (_, name), seconds in spent.items())


def test_a_training_that_cannot_end_in_time_is_begun_and_told(world: World, instance: dg.DagsterInstance) -> None:
    done, _, said = conducted(world, instance, hours=500 / 3600)
    assert not done
    lines = [line for line in said if line.startswith("translator  [tried-2-0]: none/cut/0, about 0:05:00")]
    assert lines == ["translator  [tried-2-0]: none/cut/0, about 0:05:00; the time is too short, it goes on next time"]
    assert any("the time was up before the end of translator" in line for line in said)
    assert 0 < world.progress["tried-2-0", "none/cut/0"] < TRAINING["cut"]


def test_no_run_is_begun_in_the_last_seconds(world: World, instance: dg.DagsterInstance) -> None:
    done, _, said = conducted(world, instance, hours=(SHORTEST_SECONDS - 1) / 3600)
    assert not done
    assert world.launches == [(TABLE, "tried", ())]
    assert said[0] == "no time is left for radiographs  [tried-2-0]; call again and it goes on"


def test_who_interrupts_is_not_kept_waiting_by_scores(world: World, instance: dg.DagsterInstance) -> None:
    world.killed_at = 500.0
    with pytest.raises(KeyboardInterrupt):
        conducted(world, instance)
    assert world.now == 500.0
    assert world.launches[-1][0] == "translator"
    world.killed_at = None
    done, _, _ = conducted(world, instance)
    assert done
    assert world.tabulated == everything()
    spent = world.progress["tried-2-0", "none/cut/0"]
    assert spent == pytest.approx(TRAINING["cut"])


def test_a_fold_that_cannot_be_prepared_ends_only_itself(world: World, instance: dg.DagsterInstance) -> None:
    world.broken.add(("radiographs", "tried-2-1"))
    done, conductor, _ = conducted(world, instance)
    assert done
    assert conductor.failures == ["radiographs [tried-2-1] failed"], "it is not tried again by every round"
    assert world.tabulated == {name: found for name, found in everything().items() if name != "tried-2-1"}


def test_an_arm_that_fails_ends_only_itself_and_is_told_again_but_not_trained_again(
    world: World, instance: dg.DagsterInstance
) -> None:
    world.broken.add(("none/cut/0", "tried-2-0"))
    for _ in range(2):
        done, conductor, _ = conducted(world, instance)
        assert done
        again = "it is not trained again with the same settings and images"
        assert conductor.failures == [f"translator [tried-2-0]: none/cut/0 failed, {again}: it diverged"]
        expected = everything()
        expected["tried-2-0"].remove("none/cut/0")
        assert world.tabulated == expected
    assert sum(only == ("none/cut/0",) and cohort == "tried-2-0" for _, cohort, only in world.launches) == 1


def test_a_training_that_did_not_come_to_an_end_is_launched_again(world: World, instance: dg.DagsterInstance) -> None:
    world.broken.add(("translator", "tried-2-0"))
    _, conductor, _ = conducted(world, instance)
    assert set(conductor.failures) == {"translator [tried-2-0] failed"}
    assert "tried-2-0" not in (world.tabulated or {}), "nothing is scored without a translator"
    world.broken.clear()
    done, conductor, _ = conducted(world, instance)
    assert (done, conductor.failures) == (True, [])
    assert world.tabulated == everything()


def test_time_that_ends_in_the_first_training_is_no_failure(world: World, instance: dg.DagsterInstance) -> None:
    world.progress = dict.fromkeys([("tried-2-0", "none/pca/0")], -1e4)
    done, conductor, _ = conducted(world, instance, hours=300 / 3600)
    assert (done, conductor.failures) == (False, [])
    assert [stage for stage, _, _ in world.launches] == ["radiographs", "translator", TABLE]


@pytest.mark.parametrize("stage", ["translator", "evaluation"])
def test_after_a_run_that_was_ended_from_outside_nothing_is_launched(
    world: World, instance: dg.DagsterInstance, stage: str
) -> None:
    world.ended = (stage, "tried-2-0")
    with pytest.raises(Interrupted, match="was ended from outside"):
        conducted(world, instance)
    assert world.launches[-1][0] == stage


def test_scores_that_fail_end_no_training(world: World, instance: dg.DagsterInstance) -> None:
    world.broken.add(("evaluation", "tried-2-0"))
    done, conductor, _ = conducted(world, instance)
    assert done
    assert set(conductor.failures) == {"evaluation [tried-2-0] failed"}
    assert world.trained == everything()
    assert "tried-2-0" not in (world.tabulated or {})


def test_a_worker_that_dies_is_a_failure_of_that_run(world: World, instance: dg.DagsterInstance) -> None:
    world.broken.add((TABLE, "dies"))
    done, conductor, _ = conducted(world, instance)
    assert done
    assert set(conductor.failures) == {"study_table  [tried]: its process ended without a word"}
    assert world.scored == everything()


def test_until_a_stage_nothing_after_it_runs(world: World, instance: dg.DagsterInstance) -> None:
    conducted(world, instance, stages=frozenset(STAGE_NAMES[: STAGE_NAMES.index("pseudo_pairs") + 1]))
    assert {stage for stage, _, _ in world.launches} == {"radiographs"}
    assert world.prepared == set(everything())
    conducted(world, instance, stages=frozenset(STAGE_NAMES[: STAGE_NAMES.index("translator") + 1]))
    assert {stage for stage, _, _ in world.launches} == {"radiographs", "translator"}
    assert world.trained == everything()


def test_a_run_that_fails_in_the_worker_is_told_as_elsewhere(world: World, instance: dg.DagsterInstance) -> None:
    world.broken.add(("radiographs", "x"))
    launcher = Apart(instance, "tag", worker=OfTheWorld(world), budget=Budget(None, lambda: world.now))
    with pytest.raises(RunFailed, match=r"radiographs \[x\] failed") as raised:
        launcher.run(Launch("stage_sources", "x", ("radiographs",)), {})
    assert raised.value.told == "told"
