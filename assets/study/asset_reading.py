"""Manifests of fold cohorts as a study reads them: recorded as read, and only where they are of now."""

import pyarrow as pa
import pyarrow.compute as pc

from resources.manifests import Place, read_pointer, require_current
from resources.stage_run import MUST_RETRAIN
from resources.study_run import StudyRun

DONE = {"evaluation": "evaluated", "localisation": "measured"}


def problem_of(run: StudyRun, place: Place) -> str:
    """Why a manifest doesn't count, empty where it does."""
    pointer, done = read_pointer(run.store, place), DONE.get(place.stage, "made")
    if run.store.read_or_none(f"{place.folder}/FAILED.json") is not None:
        return f"its {place.stage} failed, see `pseudopair status`"
    if pointer is None:
        return f"not {done} yet"
    if pointer.get(MUST_RETRAIN):
        return f"to be trained again: {pointer[MUST_RETRAIN]}"
    for parent, digest in pointer["parents"].items():
        current = read_pointer(run.store, Place(*parent.split("@", 1)))
        if current is None or current["digest"] != digest:
            return f"{done} from an older {parent}"
    return ""


def ok(run: StudyRun, place: Place, columns: tuple[str, ...]) -> pa.Table:
    """Rows of a manifest that went on, with some of its columns; a column that it is too old for is left out."""
    table = read(run, place, (*columns, "status"))
    kept = [name for name in columns if name in table.column_names]
    return table.filter(pc.equal(table["status"], "ok")).select(kept)


def read(run: StudyRun, place: Place, columns: tuple[str, ...] | None = None) -> pa.Table:
    """A manifest, or some of its columns, recorded as read.

    Raises:
        FileNotFoundError: there is none.
    """
    pointer, table = require_current(run.store, place, columns)
    run.parents[str(place)] = pointer["digest"]
    return table
