"""Tables of studies that a patient was measured in: their reports show maps, so they go until they are made anew."""

from collections.abc import Collection

from pipelines.forget.layout import Layout
from pipelines.forget.rewriting import Rewriting
from pipelines.lineage.reading import cohort_of
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore

TABLE = "study_table"
WITHDREW = "a patient withdrew who was in its cohorts; run the study again"


def tables_of(store: ObjectStore, places: Layout, cohorts: Collection[str]) -> list[Place]:
    """The tables that were made from some cohorts, and those of which nobody can tell."""
    return [place for place in places.objects if place.stage == TABLE and _reads(store, place, cohorts)]


def _reads(store: ObjectStore, place: Place, cohorts: Collection[str]) -> bool:
    pointer = read_pointer(store, place)
    parents = [] if pointer is None else [parent.partition("@")[2] for parent in pointer["parents"]]
    return pointer is None or any(cohort_of(partition) in cohorts for partition in parents)


def mark_tables(work: Rewriting, tables: Collection[Place]) -> list[str]:
    """Say of tables that they are to be made anew; returns those marked."""
    for place in tables:
        work.mark(place, WITHDREW)
    return [str(place) for place in tables]
