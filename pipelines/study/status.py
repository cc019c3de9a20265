"""What `pseudopair status` tells, studies and their tables included."""

from assets.study.settings import StudyError, parse_study
from pipelines.status import State, StatusRow, begun_cohorts, status_rows
from pipelines.study.table import LEFT_OUT, TABLE, why_not_fresh
from resources.home import store_url
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import FOLDS, cohort_of
from resources.studies import study_entries, study_named


def rows_of(name: str | None = None, store: ObjectStore | None = None) -> list[StatusRow]:
    """State of a cohort, of a study with those of its fold cohorts that were run, or of all.

    What a study does without is not missed in its folds.

    Args:
        name: a cohort or a study; None for all that were run.
        store: by default the installation's.

    Raises:
        CatalogueError: neither a cohort nor a study has the name.
    """
    objects = store or ObjectStore(store_url())
    studies = [entry.name for entry in study_entries()]
    if name is None:
        tables = [row for study in studies for row in table_rows(objects, study)]
        return [*filter(_is_wanted, status_rows(store=objects)), *tables]
    if name not in studies:
        return list(filter(_is_wanted, status_rows(name, objects)))
    begun = set(begun_cohorts(objects))
    rows = [row for cohort in _folds(name) if cohort in begun for row in status_rows(cohort, objects)]
    return [*filter(_is_wanted, rows), *table_rows(objects, name)]


def _is_wanted(row: StatusRow) -> bool:
    left_out = row.stage in LEFT_OUT and cohort_of(row.partition) in FOLDS
    return not left_out or row.state != "missing"


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
