"""A study from its first fold to its table: what is fresh is left alone, the rest is launched within the budget."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from pipelines.launches import Echo, Interrupted, Launch, RunFailed
from pipelines.lenders import stages_of
from pipelines.rebuild import rebuild
from pipelines.stages import STAGES, Stage
from pipelines.study.budget import spoken
from pipelines.study.launching import Apart, TimeIsUp
from pipelines.study.members import TRANSLATOR, settled
from pipelines.study.plan import Round
from pipelines.study.table import LEFT_OUT, TABLE, why_not_fresh
from resources.catalogue import entry_named
from resources.object_store import ObjectStore

_POSITION = [stage.name for stage in STAGES].index(TRANSLATOR)
# They hold nobody up at the end, and what a round brings changes little in them.
AT_THE_END = ("leak_control",)
AFTER = [stage for stage in STAGES[_POSITION + 1 :] if stage.name not in (*AT_THE_END, *LEFT_OUT)]
LAST = [stage for stage in STAGES if stage.name in AT_THE_END]


@dataclass
class Conductor:
    """One call of a study.

    Attributes:
        study: its name.
        store: where all of it lies.
        launcher: launches the runs.
        echo: takes one line a run.
        stages: names of the stages that may run.
        failures: why runs failed.
        broken: cohorts that cannot be trained on.
        unscored: cohorts with trainings that are not scored yet.
    """

    study: str
    store: ObjectStore
    launcher: Apart
    echo: Echo
    stages: frozenset[str]
    failures: list[str] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    unscored: dict[str, None] = field(default_factory=dict)
    _prepared: set[str] = field(default_factory=set)

    def conduct(self, rounds: Sequence[Round]) -> bool:
        """Go through the rounds; whether there was time for all of them.

        What failed stands in `failures`, and ends only what depends on it.
        """
        try:
            for each in rounds:
                self._round(each)
            self._complete(rounds)
        except TimeIsUp as up:
            self.echo(f"{up}; call again and it goes on")
            self._score(list(self.unscored), replace(self.launcher, bounded=False))
            return False
        return True

    def _round(self, each: Round) -> None:
        for cohort in each.cohorts:
            self._prepare(cohort)
            if cohort not in self.broken and TRANSLATOR in self.stages:
                self._train(cohort, each)
        begun = self.launcher.budget.spent
        sound = [cohort for cohort in each.cohorts if cohort not in self.broken]
        self._score(sound, self.launcher, [] if each.has_gan else LAST)
        budget = self.launcher.budget
        budget.reserve = max(budget.reserve, budget.spent - begun)

    def _prepare(self, cohort: str) -> None:
        if cohort not in self._prepared | self.broken:
            if not self._bring(cohort, before(cohort), self.launcher):
                self.broken.add(cohort)
            self._prepared.add(cohort)

    def _train(self, cohort: str, each: Round) -> None:
        there = settled(self.store, cohort)
        missing = [name for name in each.trainings if name not in there]
        if missing:
            self._launch_training(cohort, missing, each)
            there = settled(self.store, cohort)
        again = "it is not trained again with the same settings and images"
        why = {name: there.get(name) for name in each.trainings}
        self.failures += [f"{TRANSLATOR} [{cohort}]: {name} failed, {again}: {why[name]}" for name in why if why[name]]

    def _launch_training(self, cohort: str, missing: list[str], each: Round) -> None:
        about = f", about {spoken(each.seconds)}" if each.has_gan else ""
        left = self.launcher.budget.for_training
        cut = "; the time is too short, it goes on next time" if left is not None and left < each.seconds else ""
        self.echo(f"{TRANSLATOR}  [{cohort}]: {', '.join(missing)}{about}{cut}")
        launch = Launch("stage_training", cohort, (TRANSLATOR,))
        self.unscored[cohort] = None
        try:
            self.launcher.train(launch, {TRANSLATOR: {"only": missing}})
        except Interrupted:
            raise
        except RunFailed as failure:
            self.failures.append(str(failure))

    def _score(self, cohorts: Iterable[str], launcher: Apart, more: Sequence[Stage] = ()) -> None:
        for cohort in cohorts:
            # Without a translator, as when the time ends in the first training, there is nothing to be scored.
            if "" in settled(self.store, cohort).values():
                self._bring(cohort, [*AFTER, *more], launcher)
            self.unscored.pop(cohort, None)
        self._table(launcher)

    def _complete(self, rounds: Sequence[Round]) -> None:
        """With every training there, what was launched for some of them counts as the whole."""
        if self.failures:
            return
        for cohort in dict.fromkeys(cohort for each in rounds for cohort in each.cohorts):
            self._bring(cohort, [*before(cohort), STAGES[_POSITION], *AFTER, *LAST], self.launcher, in_part=False)
        self._table(self.launcher)

    def _bring(self, cohort: str, stages: Iterable[Stage], launcher: Apart, *, in_part: bool = True) -> bool:
        wanted = [stage for stage in stages if stage.name in self.stages]
        try:
            rebuild(cohort, wanted, launcher, self._say_what_is_launched, in_part=in_part)
        except Interrupted:
            raise
        except RunFailed as failure:
            self.failures.append(str(failure))
            return False
        return True

    def _say_what_is_launched(self, line: str) -> None:
        # Of a dozen cohorts with as many stages, nobody wants to read what is fresh.
        if not line.endswith("are fresh"):
            self.echo(line)

    def _table(self, launcher: Apart) -> None:
        why = why_not_fresh(self.store, self.study) if TABLE in self.stages else ""
        if not why:
            return
        launch = Launch("study", self.study, (TABLE,))
        self.echo(f"{launch}: {why}")
        try:
            launcher.run(launch, {})
        except Interrupted:
            raise
        except RunFailed as failure:
            self.failures.append(str(failure))


def before(cohort: str) -> list[Stage]:
    """The stages of a fold cohort up to its translators."""
    stages = stages_of(entry_named(cohort).mapping.get("settings") or {}, STAGES)
    return list(takewhile(lambda stage: stage.name != TRANSLATOR, stages))
