"""Bringing a cohort up to date: what is fresh is left alone, the rest is launched once, in order."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pipelines.launches import Echo, Interrupted, Launch, Launcher, RunFailed, launches, stages_until
from pipelines.lenders import lenders, stages_of
from pipelines.stages import STAGES, Stage
from pipelines.status import StatusRow, sources_now, status_rows
from resources.catalogue import entry_named
from resources.home import store_url
from resources.object_store import ObjectStore
from resources.partitions import FOLDS

READS = {stage.name: set(stage.reads) for stage in STAGES}


@dataclass
class _Pass:
    """One pass over stages of a cohort, and of those that it borrows from.

    Attributes:
        launcher: launches the runs.
        echo: takes one line a run, and one a stage that has fresh partitions.
        store: where the present state is read from.
        recheck: launch what is fresh, too.
        launched: how many runs it took.
        failures: why runs failed.
        broken: stages of the present cohort that failed, or read one that did.
        known: sources by cohort, listed once and again after they were ingested.
    """

    launcher: Launcher
    echo: Echo
    store: ObjectStore
    recheck: bool
    launched: int = 0
    failures: list[RunFailed] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)
    known: dict[str, dict[str, str] | None] = field(default_factory=dict)

    def bring(self, cohort: str, stages: Sequence[Stage], *, in_part: bool) -> None:
        self.broken = set()
        for _, grouped in groupby(launches(cohort, stages), key=lambda launch: launch.job):
            group = list(grouped)
            # A stage is judged when its turn has come: a model that came out the same leaves the rest fresh.
            reasons = _reasons(status_rows(cohort, self.store, self._sources, in_part=in_part))
            for launch in group:
                self._bring(launch, [reasons[stage, launch.partition] for stage in launch.stages])
            fresh = sum(not any(reasons[stage, launch.partition] for stage in launch.stages) for launch in group)
            if fresh and not self.recheck:
                self.echo(f"{' → '.join(group[0].stages)}: {fresh} of {len(group)} partitions are fresh")
            if "radiographs" in group[0].stages:
                self.known.pop(cohort, None)

    def _bring(self, launch: Launch, reasons: list[str]) -> None:
        why = next((reason for reason in reasons if reason), "fresh, looked at again" if self.recheck else "")
        upstream = sorted(self.broken & {name for stage in launch.stages for name in READS[stage]})
        if upstream:
            self.echo(f"{launch}: left out, {upstream[0]} failed")
        elif not why:
            return
        else:
            self.echo(f"{launch}: {why}")
            self.launched += 1
            try:
                self.launcher.run(launch, {})
                return
            except Interrupted:
                raise
            except RunFailed as failure:
                self.failures.append(failure)
        self.broken |= set(launch.stages)

    def _sources(self, cohort: str) -> dict[str, str] | None:
        if cohort not in self.known:
            self.known[cohort] = sources_now(cohort)
        return self.known[cohort]


def rebuild(
    cohort: str,
    stages: Sequence[Stage],
    launcher: Launcher,
    echo: Echo,
    *,
    recheck: bool = False,
    in_part: bool = False,
) -> int:
    """Bring stages of a cohort up to date with its sources, its declaration and each other.

    Cohorts that models are borrowed from come first, up to the last of them. Settings are the declared ones: with
    others, what is made here would be stale at once. Every partition is launched at most once, so what fails is tried
    once a rebuild.

    Args:
        cohort: the cohort's name.
        stages: some of `STAGES`, in their order.
        launcher: launches the runs.
        echo: takes one line a run, and one a stage that has fresh partitions.
        recheck: launch what is fresh, too: its run finds lost artefacts, which cannot be told from outside.
        in_part: see `status_rows`.

    Returns:
        How many runs were launched.

    Raises:
        RunFailed: something failed; the rest that does not depend on it was brought up to date.
        Interrupted: a run was ended from outside; nothing was launched after it.
    """
    work = _Pass(launcher, echo, ObjectStore(store_url()), recheck)
    for lender, until in lenders(cohort, stages).items():
        # Which arms a fold has is for its study to say.
        lent = stages_until(until, stages_of(_settings(lender), STAGES))
        work.bring(lender, lent, in_part=in_part or lender in FOLDS)
    work.bring(cohort, stages_of(_settings(cohort), stages), in_part=in_part)
    if work.failures:
        raise RunFailed("\n".join(map(str, work.failures)), "; ".join(failure.told for failure in work.failures))
    return work.launched


def _settings(cohort: str) -> dict[str, dict[str, Any]]:
    return dict(entry_named(cohort).mapping.get("settings") or {})


def _reasons(rows: list[StatusRow]) -> dict[tuple[str, str], str]:
    """Why a stage of a partition must run, empty where it is fresh."""
    return {(row.stage, row.partition): row.why if row.state != "fresh" else "" for row in rows}
