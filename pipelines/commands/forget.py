"""`pseudopair forget`: remove a patient who withdrew, for good."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.commands.common import prepare, shown, stop
from resources.home import patient_key, store_url

if TYPE_CHECKING:
    from pipelines.forget.removal import Removed
    from pipelines.forget.theirs import Theirs
    from resources.object_store import ObjectStore

BEYOND = "Exports, backups and copies of the store that were made earlier are out of reach of this: delete them there."


def forget(
    patient: Annotated[str | None, typer.Argument(help="Source id, which is only hashed, or pseudonym")] = None,
    cohort: Annotated[str | None, typer.Option(help="Only in this cohort, whose ids are its own")] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what would be removed, and remove nothing")] = False,
    yes: Annotated[bool, typer.Option(help="Do not ask")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List who was removed")] = False,
) -> None:
    """Remove a patient from the store, keep the patient out of it, and mark what must be trained again."""
    if (patient is None) != listed:
        raise stop("give a patient, or --list")
    prepare()
    from resources.object_store import ObjectStore

    store = ObjectStore(store_url())
    if patient is None:
        _list(store)
        return
    names = _same_images(cohort)
    found = _found(store, patient, names)
    for theirs in found.values():
        _show(theirs)
    if dry_run:
        _show_reached(store, sorted({theirs.patient for theirs in found.values()}))
        return
    # Nobody is there to be asked by a script, and its answer would be no.
    if not yes and not (sys.stdin.isatty() and typer.confirm("Remove all of it? It cannot be undone")):
        raise stop("nothing was removed; --yes removes without asking")
    # A fold that was never run comes last: by then a tombstone knows the patient, and it is kept out of that, too.
    for name in [*found, *(name for name in names if name not in found)]:
        _report(_removed(store, _found(store, patient, [name])[name], name))


def _same_images(cohort: str | None) -> list[str | None]:
    """A cohort, and those with the same images and ids under another split; without a cohort, all are looked at."""
    from resources.variants import same_images

    return [None] if cohort is None else [cohort, *sorted(same_images(cohort) - {cohort})]


def _found(store: "ObjectStore", patient: str, cohorts: "list[str | None]") -> "dict[str | None, Theirs]":
    """What is the patient's, in those of some cohorts that know the patient; None stands for all cohorts."""
    from pipelines.forget.removal import find_theirs
    from pipelines.forget.theirs import ForgetError
    from pipelines.patients import pseudonyms

    found: dict[str | None, Theirs] = {}
    problems = []
    for cohort in cohorts:
        try:
            found[cohort] = find_theirs(store, pseudonyms(patient, patient_key()), cohort)
        except (ForgetError, ValueError) as error:
            problems.append(str(error))
    if not found:
        raise stop(problems[0])
    return found


def _removed(store: "ObjectStore", found: "Theirs", cohort: str | None) -> "Removed":
    import dagster as dg

    from pipelines.forget.removal import remove
    from pipelines.forget.theirs import ForgetError
    from resources.object_store import StoreConflict

    try:
        with dg.DagsterInstance.get() as instance:
            return remove(store, instance, found, cohort)
    except (ForgetError, StoreConflict) as error:
        raise stop(str(error)) from None


def _show(found: "Theirs") -> None:
    table = Table("stage", "rows of the patient")
    for stage, count in found.counts:
        table.add_row(stage, str(count))
    where = ", ".join(found.cohorts) or "no cohort any more"
    shown.print(f"patient {found.patient}: {len(found.radiographs)} radiographs in {where}", markup=False)
    shown.print(table)


def _show_reached(store: "ObjectStore", patients: list[str]) -> None:
    from pipelines.lineage.answer import patient_lineage
    from pipelines.lineage.chain import MODELS
    from pipelines.lineage.find import LineageError

    for patient in patients:
        try:
            reached = patient_lineage(store, [patient]).reached
        except LineageError:
            continue
        for item in reached:
            if item.kind in {*MODELS.values(), "translator"}:
                shown.print(f"{item.kind} {item.name[:12]}: {item.why}", markup=False)
    shown.print("dry run: nothing was removed")


def _report(removed: "Removed") -> None:
    tombstone = removed.tombstone
    shown.print(
        f"{removed.objects} objects deleted: artefacts, earlier manifests, pictures, reports, caches, checkpoints"
    )
    shown.print(f"{len(removed.runs)} Dagster runs deleted: their events held pictures of the cohort")
    shown.print(f"to be trained or measured again: {', '.join(tombstone.models) or 'nothing'}", markup=False)
    for cohort in tombstone.cohorts:
        shown.print(f"now run: pseudopair run {cohort}", markup=False)
    cohorts = {place.partition("@")[2].partition("/")[0] for place in tombstone.models}
    for cohort in sorted(cohorts - {*tombstone.cohorts, *_studies()}):
        told = "it borrows such models: then run it too; where it names a manifest (@DIGEST), name another one first"
        shown.print(f"{cohort}: {told}", markup=False)
    shown.print(f"tombstone: {tombstone.path}", markup=False)
    shown.print(BEYOND)


def _studies() -> set[str]:
    from resources.studies import study_entries

    return {entry.name for entry in study_entries()}


def _list(store: "ObjectStore") -> None:
    from resources.tombstones import WithdrawnError, tombstones

    table = Table("withdrew", "patient", "cohorts", "radiographs", "state")
    try:
        found = tombstones(store)
    except WithdrawnError as error:
        raise stop(str(error)) from None
    for each in found:
        state = "removed" if each.completed_at else "cut off: ask for it again"
        table.add_row(
            each.withdrawn_at, f"{each.patient[:8]}…", ", ".join(each.cohorts), str(len(each.radiographs)), state
        )
    shown.print(table)
