"""A lender's models: those that belong together, whether they may be borrowed, and whose each is."""

from typing import Any

from pipelines.cohort_files import CohortProblem
from pipelines.settings import STAGE_SETTINGS
from resources.generation import KEPT_AT, Generation, GenerationError, barred, generation_named
from resources.manifests import Place, table_from
from resources.object_store import ObjectStore
from resources.studies import study_of

# Stages whose rows are a cohort's models, or were chosen by its validation patients.
MODELS = ("lung_segmenter", "reference_lung", "registration_model", "translator", "normal_maps", "evaluation")
DECIDED = ("normal_maps", "evaluation")


class BorrowingError(CohortProblem):
    """A cohort cannot take over another one's models; the message says why and what to do."""


def lent_generation(store: ObjectStore, cohort: str, digest: str = "") -> Generation:
    """The models of a cohort that belong together.

    Args:
        store: the object store.
        cohort: the lender.
        digest: first digits of the digest of its translators' or its evaluation's manifest; empty for the current one.

    Raises:
        BorrowingError: the lender lacks one, has none under that digest, or somebody withdrew who was in one.
    """
    try:
        found = generation_named(store, Place(KEPT_AT, cohort), digest)
    except GenerationError as error:
        told = str(error).replace(f"`pseudopair run {cohort}`", remade(cohort))
        raise BorrowingError(f"the models of {cohort} cannot be borrowed: {told}") from None
    for name, each in found.digests.items():
        place = Place(*name.split("@", 1))
        why = barred(store, place, each) if digest and place.stage in MODELS else ""
        if why:
            raise BorrowingError(f"the models of {cohort} cannot be borrowed: {place} is to be made again: {why}")
    return found


def lent_arms(store: ObjectStore, cohort: str, generation: Generation) -> set[tuple[str, int]]:
    """Arms and seeds that a lender has usable translators of."""
    return {
        (row["arm"], row["seed"]) for row in _rows(store, "translator", cohort, generation) if row["status"] == "ok"
    }


def lenders_by_stage(store: ObjectStore, cohort: str, generation: Generation, *, pinned: bool) -> dict[str, str]:
    """What `borrow_from` of each model stage is to be, a stage whose model the lender has borrowed itself traced back.

    Args:
        store: the object store.
        cohort: the lender.
        generation: its models.
        pinned: name the manifests by their digests.

    Returns:
        Stage to `COHORT` or `COHORT@DIGEST`. A lender without a segmenter of its own segments without one.

    Raises:
        BorrowingError: the lender lacks a model.
    """
    found: dict[str, str] = {}
    for stage in [name for name in MODELS if name in STAGE_SETTINGS]:
        rows = _rows(store, stage, cohort, generation)
        # What validation patients were too few for says nothing against the models.
        usable = [row for row in rows if row["status"] == "ok" or stage in DECIDED]
        if not usable and stage == "lung_segmenter":
            continue
        if not usable:
            why = rows[0]["reason"] if rows else "it has no row"
            raise BorrowingError(f"the models of {cohort} cannot be borrowed: its {stage} is unusable: {why}")
        owner = str(usable[0].get("borrowed_from") or cohort)
        digest = generation.digest(stage, owner)
        found[stage] = f"{owner}@{digest}" if pinned and "@" not in owner else owner
    return found


def remade(cohort: str) -> str:
    """The command that brings a cohort's models up to date."""
    study = study_of(cohort)
    return f"`pseudopair study {study}`" if study else f"`pseudopair run {cohort}`"


def _rows(store: ObjectStore, stage: str, cohort: str, generation: Generation) -> list[dict[str, Any]]:
    digest = generation.digest(stage, cohort)
    data = store.read_or_none(Place(stage, cohort).manifest(digest)) if digest else None
    if data is None:
        lost = "is no longer in the store" if digest else "is not there"
        raise BorrowingError(f"the models of {cohort} cannot be borrowed: its {stage} {lost}; run {remade(cohort)}")
    rows: list[dict[str, Any]] = table_from(data).to_pylist()
    return rows
