"""Removals of patients from one cohort, as a run that reads it needs them."""

import dagster as dg

from resources.object_store import ObjectStore
from resources.tombstones import tombstones


def removals(store: ObjectStore, cohort: str) -> frozenset[str]:
    """Removals of patients from a cohort, each with its time.

    Raises:
        Failure: one is not complete.
        WithdrawnError: a tombstone is not readable.
    """
    mine = [each for each in tombstones(store) if cohort in each.cohorts]
    if any(not each.completed_at for each in mine):
        raise dg.Failure(
            f"a patient is being removed from {cohort}, or that was cut off; see `pseudopair forget --list`, let it "
            f"end or ask for it again, then run {cohort}",
            allow_retries=False,
        )
    return frozenset(f"{each.patient} {each.completed_at}" for each in mine)
