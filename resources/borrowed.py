"""Models that a cohort takes over from another one instead of fitting its own."""

from collections.abc import Collection
from typing import Any

import dagster as dg

from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.stage_run import StageRun

BORROWED_FROM = "borrowed_from"


def wrong_lender(stage: str, cohort: str, lender: str, cohorts: Collection[str]) -> str:
    """Why a cohort cannot be lent a model by another one, whatever that one has; empty if nothing speaks against it."""
    what = f"cohort {cohort} borrows the {_spoken(stage)} of"
    if lender == cohort:
        return f"{what} itself; leave {stage}.borrow_from empty to fit its own, or name another cohort"
    if lender not in cohorts:
        return f"{what} {lender!r}, which is no cohort; there are: {', '.join(sorted(cohorts))}"
    return ""


def lends(store: ObjectStore, stage: str, lender: str, version: str) -> bool:
    """Whether a cohort has finished a stage in this version; what another version made may not be understood."""
    pointer = read_pointer(store, Place(stage, lender))
    return pointer is not None and pointer["version"] == version


def borrowed(run: StageRun, lender: str, cohorts: Collection[str]) -> dict[str, Any]:
    """The row of the lender's model, with its artefact where it lies; recorded as read by this run.

    Args:
        run: the borrowing cohort's run of the stage.
        lender: the cohort whose model is taken over.
        cohorts: names of all cohorts.

    Raises:
        Failure: no such cohort, the cohort itself, or one that has no model of its own and of this version.
    """
    problem = wrong_lender(run.stage, run.cohort, lender, cohorts)
    if not problem and not lends(run.store, run.stage, lender, run.version):
        problem = (
            f"cohort {run.cohort} borrows the {_spoken(run.stage)} of {lender}, which has none of version "
            f"{run.version} yet; run `pseudopair run {lender} --until {run.stage}`"
        )
    if problem:
        raise dg.Failure(problem, allow_retries=False)
    row = run.rows(run.stage, lender)[0]
    if row[BORROWED_FROM]:
        problem = f"which itself borrows that of {row[BORROWED_FROM]}; borrow that one"
    elif row["status"] != "ok":
        problem = f"which has none: {row['reason']}"
    if problem:
        raise dg.Failure(
            f"cohort {run.cohort} borrows the {_spoken(run.stage)} of {lender}, {problem}", allow_retries=False
        )
    return {**row, BORROWED_FROM: lender}


def _spoken(stage: str) -> str:
    return stage.replace("_", " ")
