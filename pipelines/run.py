"""`pseudopair run`: the stages of one cohort, launched in order through Dagster under one tag."""

import uuid
from typing import Any

import dagster as dg

from pipelines.launches import Echo, Launch, Launcher, RunFailed, launches, stages_until
from pipelines.lenders import SEGMENTER, stages_of, untrained_lender
from pipelines.stages import STAGES
from pipelines.versions import VERSIONS
from resources.catalogue import entry_named
from resources.partitions import cohort_of


def run_cohort(
    cohort: str,
    overrides: dict[str, dict[str, Any]],
    echo: Echo,
    *,
    until: str | None = None,
    retry_failed: bool = False,
) -> str:
    """Materialise every stage of a cohort; returns the tag's value, under which the runs stand in the UI.

    Every stage is launched, fresh or not: its own run finds lost artefacts, which cannot be told from outside.

    Args:
        cohort: the cohort's name.
        overrides: settings of this run by stage.
        echo: takes one line a run.
        until: name of the last stage to run; all of them by default.
        retry_failed: compute rejected and failed rows again.

    Raises:
        RunFailed: a run failed. What was finished before it is kept.
    """
    declared = entry_named(cohort).mapping.get("settings") or {}
    stages = stages_until(until, stages_of(declared, STAGES, overrides))
    planned = [(launch, overrides) for launch in launches(cohort, stages)]
    lender = untrained_lender(cohort, overrides, stages)
    if lender:
        what = f"{cohort} borrows the lung segmenter of {lender}, which has none of version {VERSIONS[SEGMENTER]} yet"
        echo(f"{what}: {lender} is run up to it first")
        # Settings of this launch are this cohort's.
        planned = [*((launch, {}) for launch in launches(lender, stages_until(SEGMENTER))), *planned]
    with dg.DagsterInstance.get() as instance:
        launcher = Launcher(instance, uuid.uuid4().hex[:12], retry_failed)
        for launch, settings in planned:
            echo(str(launch))
            try:
                launcher.run(launch, settings)
            except RunFailed as failure:
                raise RunFailed(f"{failure}{_way_out(launch, cohort)}") from None
    return launcher.tag


def _way_out(launch: Launch, cohort: str) -> str:
    """What else can be done where not the cohort itself failed but the one that it borrows from."""
    if cohort_of(launch.partition) == cohort:
        return ""
    return f"; --set {SEGMENTER}.borrow_from= runs {cohort} without it"
