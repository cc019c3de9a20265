"""What `pseudopair status` tells, studies and their tables included."""

from assets.study.settings import StudyError, parse_study
from pipelines.status import State, StatusRow, begun_cohorts, status_rows
from pipelines.study.conduct import LEFT_OUT
from pipelines.study.table import TABLE, why_not_fresh
from resources.home import store_url
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.studies import study_entries, study_named


def rows_of(name: str | None) -> list[StatusRow]:
    """State of a cohort, of a study with those of its fold cohorts that were run, or of all.

    Args:
        name: a cohort or a study; None for all that were run.

    Raises:
        CatalogueError: neither a cohort nor a study has the name.
    """
    store = ObjectStore(store_url())
    studies = [entry.name for entry in study_entries()]
    if name is None:
        return [*status_rows(store=store), *(row for study in studies for row in table_rows(store, study))]
    if name not in studies:
        return status_rows(name, store)
    begun = set(begun_cohorts(store))
    rows = [row for cohort in _folds(name) if cohort in begun for row in status_rows(cohort, store)]
    return [*(row for row in rows if row.stage not in LEFT_OUT), *table_rows(store, name)]


def table_rows(store: ObjectStore, study: str) -> list[StatusRow]:
    """State of the table of a study, nothing where it has none."""
    place = Place(TABLE, study)
    pointer = read_pointer(store, place)
    failed = store.read_or_none(f"{place.folder}/FAILED.json") is not None
    if pointer is None and not failed:
        return []
    why = why_not_fresh(store, study)
    state: State = "failed" if failed else "stale" if why else "fresh"
    if pointer is None:
        return [StatusRow(TABLE, study, state, "", "", "", why)]
    aside = str(pointer["needs_review"] + pointer["rejected"] + pointer["failed"])
    return [StatusRow(TABLE, study, state, str(pointer["ok"]), aside, f"{pointer['seconds']:.1f}", why)]


def _folds(name: str) -> list[str]:
    try:
        study = parse_study(study_named(name).mapping)
    except StudyError:
        return []
    return [cohort for protocol in study.protocols for cohort in study.fold_cohorts(protocol)]
