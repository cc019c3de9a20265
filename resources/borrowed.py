"""Models that a cohort takes over from another one instead of fitting its own."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg

from resources.fitted import BORROWED_FROM, FittedModel
from resources.generation import KEPT_AT, GenerationError, barred, generation_named
from resources.manifests import Place, digest_of, read_artifact, read_pointer, read_previous, table_from
from resources.object_store import ObjectStore
from resources.stage_run import MUST_RETRAIN, StageRun

_DIGEST = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Lender:
    """Whose models are taken over.

    Attributes:
        cohort: the lender's name.
        digest: of the one manifest that they are taken from, its first 8 digits or more; empty for the current one.
    """

    cohort: str
    digest: str = ""

    def __str__(self) -> str:
        return f"{self.cohort}@{self.digest}" if self.digest else self.cohort


def lender_of(text: str) -> Lender:
    """What `COHORT` or `COHORT@DIGEST` names.

    Raises:
        ValueError: the part behind the sign is no digest.
    """
    cohort, sign, digest = text.partition("@")
    if sign and not _DIGEST.fullmatch(digest):
        raise ValueError(f"{text!r}: expected COHORT or COHORT@DIGEST, the latter with 8 to 64 hexadecimal digits")
    return Lender(cohort, digest)


def lenders_named(settings: Mapping[str, Any]) -> list[Lender]:
    """Whose models a cohort takes over by its declared settings, each once; what is no lender is refused elsewhere."""
    named = [values.get("borrow_from") for values in settings.values() if isinstance(values, Mapping)]
    found: dict[Lender, None] = {}
    for text in named:
        try:
            found |= {lender_of(str(text)): None} if text else {}
        except ValueError:
            continue
    return list(found)


def digests_of(store: ObjectStore, place: Place, lender: Lender) -> list[str]:
    """Manifests of a place that a lender's models may go back to: the current one.

    For models that are named by a digest, all that are still there: nobody knows which of them it was.
    """
    if not lender.digest:
        pointer = read_pointer(store, place)
        return [pointer["digest"]] if pointer else []
    folder = f"{place.folder}/manifests/"
    return sorted(path.removeprefix(folder).removesuffix(".parquet") for path in store.find(folder.rstrip("/")))


def wrong_lender(stage: str, cohort: str, lender: str, cohorts: Collection[str]) -> str:
    """Why a cohort cannot be lent a model by another one, whatever that one has; empty if nothing speaks against it."""
    what = f"cohort {cohort} borrows the {_spoken(stage)} of"
    try:
        name = lender_of(lender).cohort
    except ValueError as error:
        return f"{what} {error}"
    if name == cohort:
        return f"{what} itself; leave {stage}.borrow_from empty to fit its own, or name another cohort"
    if name not in cohorts:
        return f"{what} {name!r}, which is no cohort; there are: {', '.join(sorted(cohorts))}"
    return ""


def lends(store: ObjectStore, stage: str, lender: str, version: str) -> bool:
    """Whether a cohort has finished a stage in this version; what another version made may not be understood.

    What is to be made again since a patient withdrew is not finished.
    """
    named = lender_of(lender)
    place = Place(stage, named.cohort)
    pointer = read_pointer(store, place)
    if pointer is None or pointer.get(MUST_RETRAIN):
        return False
    return version == (_pinned_version(store, place, named.digest) or pointer["version"])


def _pinned_version(store: ObjectStore, place: Place, digest: str) -> str:
    """Version of a manifest that is named by its digest, empty where that is not known."""
    pointer = read_pointer(store, place) or {"digest": ""}
    if not digest or pointer["digest"].startswith(digest):
        return ""
    try:
        found = generation_named(store, Place(KEPT_AT, place.partition), digest)
    except GenerationError:
        return ""
    # The digest may be of another stage of that generation.
    mine = found.digest(place.stage, place.partition)
    return found.versions.get(place.stage, "") if mine.startswith(digest) else ""


def borrowed_rows(
    run: StageRun, lender: str, cohorts: Collection[str], *, every_status: bool = False
) -> list[dict[str, Any]]:
    """Usable rows of the lender's manifest, each with its artefact where it lies.

    The lender's current manifest is recorded as read by this run, so that it makes the borrower stale when it changes;
    one that is named by its digest never changes, and is not.

    Args:
        run: the borrowing cohort's run of the stage.
        lender: `COHORT` or `COHORT@DIGEST`.
        cohorts: names of all cohorts.
        every_status: take rows that are set aside, too.

    Raises:
        Failure: no such cohort, the cohort itself, or one that has nothing of its own and of this version.
    """
    problem = wrong_lender(run.stage, run.cohort, lender, cohorts)
    if not problem and (why := barred(run.store, Place(run.stage, lender_of(lender).cohort))):
        problem = f"cohort {run.cohort} borrows the {_spoken(run.stage)} of {lender}, which is to be made again: {why}"
    if not problem and not lends(run.store, run.stage, lender, run.version):
        problem = (
            f"cohort {run.cohort} borrows the {_spoken(run.stage)} of {lender}, which has none of version "
            f"{run.version} yet; run `pseudopair run {lender_of(lender).cohort} --until {run.stage}`"
        )
    if problem:
        raise dg.Failure(problem, allow_retries=False)
    named = lender_of(lender)
    rows = _pinned(run, named) if named.digest else run.rows(run.stage, named.cohort)
    usable = [row for row in rows if every_status or row["status"] == "ok"]
    own = next((row[BORROWED_FROM] for row in usable if row.get(BORROWED_FROM)), "")
    if own:
        problem = f"which itself borrows that of {own}; borrow that one"
    elif not usable:
        problem = f"which has none: {rows[0]['reason'] if rows else 'its manifest is empty'}"
    if problem:
        raise dg.Failure(
            f"cohort {run.cohort} borrows the {_spoken(run.stage)} of {lender}, {problem}", allow_retries=False
        )
    return [{**row, BORROWED_FROM: lender} for row in usable]


def borrowed(run: StageRun, lender: str, cohorts: Collection[str]) -> dict[str, Any]:
    """The row of the lender's single model; see `borrowed_rows`."""
    return borrowed_rows(run, lender, cohorts)[0]


def borrowed_model(run: StageRun, lender: str, cohorts: Collection[str]) -> FittedModel:
    """The lender's single model, ready to be published as the borrower's; see `borrowed_rows`."""
    row = borrowed(run, lender, cohorts)
    return FittedModel(row, read_artifact(run.store, row), False, f"borrowed from {lender}")


def pinned_manifest(store: ObjectStore, place: Place, digest: str) -> str:
    """Path of the manifest of a place whose digest begins so.

    Raises:
        LookupError: there is none, or there are several.
    """
    folder = f"{place.folder}/manifests"
    found = sorted(path for path in store.find(folder) if path.startswith(f"{folder}/{digest}"))
    if len(found) != 1:
        many = "several manifests begin so; give more digits" if found else "there is no such manifest any more"
        raise LookupError(f"{place} @{digest}: {many}")
    return found[0]


def _pinned(run: StageRun, lender: Lender) -> list[dict[str, Any]]:
    place = Place(run.stage, lender.cohort)
    try:
        path = pinned_manifest(run.store, place, lender.digest)
    except LookupError as error:
        if kept := _kept(run, lender):
            return kept
        raise dg.Failure(f"cohort {run.cohort} borrows from {error}", allow_retries=False) from None
    if why := barred(run.store, place, path.rpartition("/")[2].removesuffix(".parquet")):
        raise dg.Failure(f"cohort {run.cohort} borrows {place} @{lender.digest}: {why}", allow_retries=False)
    data = run.store.read(path)
    if not path.endswith(f"/{digest_of(data)}.parquet"):
        raise dg.Failure(
            f"{path} was altered after it was written; restore it, or borrow another one", allow_retries=False
        )
    rows: list[dict[str, Any]] = table_from(data).to_pylist()
    return rows


def _kept(run: StageRun, lender: Lender) -> list[dict[str, Any]]:
    """What this cohort has borrowed there before: the same rows, unless somebody withdrew who was in them."""
    if barred(run.store, run.place):
        return []
    table = read_previous(run.store, run.place)
    rows = [] if table is None else table.to_pylist()
    return [{**row, BORROWED_FROM: ""} for row in rows if row.get(BORROWED_FROM) == str(lender)]


def _spoken(stage: str) -> str:
    return stage.replace("_", " ")
