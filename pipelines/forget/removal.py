"""A patient's removal from start to end; cut off anywhere, it is completed by asking for it again."""

from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from pipelines.forget.event_log import compact, delete_runs, going, report_manifests
from pipelines.forget.layout import Layout, layout
from pipelines.forget.models import mark_bereaved, mark_models
from pipelines.forget.purge import purge, purge_checkpoints, purgeable, scrub_failures
from pipelines.forget.rewriting import Rewriting
from pipelines.forget.studies import mark_tables, tables_of
from pipelines.forget.theirs import ForgetError, Theirs, theirs
from pipelines.lineage.reading import cohort_of
from resources.manifests import Place
from resources.object_store import ObjectStore
from resources.tombstones import Tombstone, tombstone_of, write_tombstone


@dataclass(frozen=True)
class Removed:
    """What a removal did.

    Attributes:
        tombstone: what is left of the patient.
        objects: how many objects were deleted.
        runs: ids of the Dagster runs that were deleted.
    """

    tombstone: Tombstone
    objects: int
    runs: tuple[str, ...]


def find_theirs(store: ObjectStore, pseudonyms: list[str], cohort: str | None = None) -> Theirs:
    """What the store has of a patient, or had when an earlier removal began.

    Args:
        store: the artefact store.
        pseudonyms: what the id that was given may stand for, the likeliest first.
        cohort: the only cohort to be looked at.

    Raises:
        ForgetError: neither a manifest nor a tombstone names the patient, or a manifest cannot be read.
    """
    places = layout(store)
    for pseudonym in pseudonyms:
        earlier = tombstone_of(store, pseudonym)
        found = theirs(store, places, pseudonym, _known(pseudonym, earlier, cohort), cohort)
        if found.partitions or earlier:
            return found
    where = f"of cohort {cohort}" if cohort else "of the store"
    raise ForgetError(
        f"no manifest {where} names that patient, so there is nothing to be removed; give the source's id as the "
        "cohort's table or header has it, or the pseudonym (24 hexadecimal characters), with the same PSEUDOPAIR_KEY "
        "as at the ingestion"
    )


def _known(pseudonym: str, earlier: Tombstone | None, cohort: str | None) -> Theirs:
    if earlier is None:
        return Theirs(pseudonym)
    partitions = tuple(each for each in earlier.partitions if cohort in (None, cohort_of(each)))
    return Theirs(pseudonym, frozenset(earlier.radiographs), frozenset(earlier.files), partitions=partitions)


def remove(store: ObjectStore, instance: dg.DagsterInstance, found: Theirs, cohort: str | None = None) -> Removed:
    """Remove a patient: tombstone, models, rows, pixels and other objects, Dagster's runs, in this order.

    Args:
        store: the artefact store.
        instance: Dagster's instance of this installation.
        found: what is the patient's.
        cohort: the only cohort that it was looked for in.

    Raises:
        ForgetError: a run of one of the cohorts is under way.
        StoreConflict: a run of another installation published meanwhile; ask again.
    """
    _refuse_under_runs(store, instance, found, "nothing was removed")
    earlier = tombstone_of(store, found.patient)
    tombstone = _tombstone(found, cohort).joined(earlier)
    write_tombstone(store, tombstone)
    # From here on no run of the cohorts starts or publishes; one that began a moment before is seen now.
    _refuse_under_runs(store, instance, found, "the patient stays out, but what is there is not removed yet")
    work = Rewriting(store)
    marked, touched, objects = _emptied(store, found, work)
    objects += purge_checkpoints(store)
    runs = delete_runs(instance, touched)
    report_manifests(instance, store, touched)
    compact(instance)
    done = {
        "models": tuple(sorted({*tombstone.models, *marked})),
        "manifests": tuple(sorted({*tombstone.manifests, *work.barred})),
        "completed_at": _now(),
    }
    tombstone = tombstone.model_copy(update=done)
    write_tombstone(store, tombstone)
    return Removed(tombstone, objects, tuple(runs))


def _refuse_under_runs(store: ObjectStore, instance: dg.DagsterInstance, found: Theirs, so_far: str) -> None:
    names = [*found.cohorts, *(place.partition for place in tables_of(store, layout(store), found.cohorts))]
    if running := going(instance, names):
        raise ForgetError(
            f"{len(running)} runs of {', '.join(names)} are under way or queued ({running[0][:8]} in the UI); "
            f"wait for their end, or end them, and ask again: {so_far}"
        )


def _emptied(store: ObjectStore, found: Theirs, work: Rewriting) -> tuple[set[str], list[Place], int]:
    """Remove rows and objects until there is nothing left to be deleted: a run elsewhere may have written meanwhile.

    Returns:
        Places marked, places of the patient's partitions, and number of objects deleted.
    """
    marked: set[str] = set()
    touched: dict[Place, None] = {}
    objects = 0
    while True:
        places = layout(store)
        work.moved.clear()
        marked.update(_rewrite(store, places, found, work))
        studies = tables_of(store, places, found.cohorts)
        touched |= dict.fromkeys(place for place in places.objects if place.partition in found.partitions)
        touched |= dict.fromkeys(studies)
        partitions = (*found.partitions, *(place.partition for place in studies))
        marked.update(mark_bereaved(places, partitions, purgeable(store, places, partitions), work))
        deleted = purge(store, places, partitions)
        if not deleted:
            return marked, list(touched), objects
        objects += deleted


def _rewrite(store: ObjectStore, places: Layout, found: Theirs, work: Rewriting) -> list[str]:
    # Models first: once the rows are gone, nobody knows by which keys a model has them.
    scrub_failures(store, places, found)
    marked = mark_models(store, places, found, work)
    marked += mark_tables(work, tables_of(store, places, found.cohorts))
    for place in places.objects:
        if place.partition in found.partitions:
            work.without(place, found)
    work.follow(places)
    return marked


def _tombstone(found: Theirs, cohort: str | None) -> Tombstone:
    return Tombstone(
        patient=found.patient,
        radiographs=tuple(sorted(found.radiographs)),
        files=tuple(sorted(found.files)),
        withdrawn_at=_now(),
        cohorts=found.cohorts,
        counts=dict(found.counts),
        partitions=found.partitions,
        only_in=(cohort,) if cohort else (),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
