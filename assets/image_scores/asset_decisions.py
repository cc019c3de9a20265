"""What validation patients decided: those of the run's cohort, or of the one whose models it borrows."""

import dagster as dg

from assets.pairing.frames import Row
from resources.borrowed import lender_of, pinned_manifest
from resources.manifests import Place, read_pointer, table_from
from resources.stage_run import StageRun

STAGE = "evaluation"


def deciding_rows(run: StageRun) -> list[Row]:
    """Rows of the evaluation that decides; recorded as read by this run.

    Raises:
        Failure: the manifest that is borrowed by its digest is gone, and the cohort has no row of it.
    """
    own = run.rows(STAGE, run.cohort)
    pointer = read_pointer(run.store, Place(STAGE, run.cohort)) or {"settings": {}}
    borrowed = pointer["settings"].get("borrow_from")
    if not borrowed:
        return own
    lender = lender_of(borrowed)
    if not lender.digest:
        return run.rows(STAGE, lender.cohort)
    try:
        path = pinned_manifest(run.store, Place(STAGE, lender.cohort), lender.digest)
    except LookupError as error:
        if own:
            # They were written with the decisions of that manifest.
            return own
        raise dg.Failure(f"{run.cohort} borrows from {error}; borrow another one", allow_retries=False) from None
    rows: list[Row] = table_from(run.store.read(path)).to_pylist()
    return rows
