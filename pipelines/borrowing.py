"""`--model COHORT[@DIGEST]`: the settings by which a cohort takes all models of another one and fits nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.cohort_files import CohortProblem, checked_settings, declared_in, register
from pipelines.settings import STAGE_SETTINGS
from resources.catalogue import CatalogueError, Entry, entry_named
from resources.generation import Generation, GenerationError, generation_named
from resources.manifests import Place, table_from
from resources.object_store import ObjectStore

# Stages whose rows are a cohort's models, or were chosen by its validation patients.
MODELS = ("lung_segmenter", "reference_lung", "registration_model", "translator", "normal_maps", "evaluation")
KEPT_AT = "evaluation"
DECIDED = ("normal_maps", "evaluation")
DIGEST = re.compile(r"[0-9a-f]{8,64}")
# What decides pixels or numbers that the models were fitted to: another value would need other models.
FIXED: dict[str, tuple[str, ...] | None] = {
    "radiographs": ("size", "low_percentile", "high_percentile"),
    "prealigned_radiographs": None,
    "registered_radiographs": None,
    "anomaly_maps": None,
    "evaluation": ("patient_score",),
}
# The cohort may decide otherwise: masks of its own, say.
PROPOSED = ("lung_masks",)
ALL_TEST = {"test_share": 1.0, "validation_share": 0.0, "folds": 0, "fold": 0}
UNDECIDED = {"share_set_aside", "borrow_from"}

Settings = dict[str, dict[str, Any]]


class BorrowingError(CohortProblem):
    """A cohort cannot take over another one's models; the message says why and what to do."""


@dataclass(frozen=True)
class Borrower:
    """A cohort that borrows all models.

    Attributes:
        name: the cohort's name.
        launched: settings of the launch; what is missing there stands in its registered file.
        lenders: what each model stage borrows from.
        generation: the lender's models.
    """

    name: str
    launched: Settings
    lenders: dict[str, str]
    generation: Generation

    def told(self) -> list[str]:
        """Which models are used, one line a stage."""
        parts = ((stage, *lender.partition("@")) for stage, lender in self.lenders.items())
        return [
            f"{self.name}: {stage} of {cohort}, manifest {digest or self.generation.digest(stage, cohort)}"
            for stage, cohort, _, digest in parts
        ]


def borrower(name_or_file: str, model: str, store: ObjectStore) -> Borrower:
    """Let a cohort borrow every model; a file that is registered says so from then on.

    Args:
        name_or_file: a declared cohort, or a YAML file.
        model: `COHORT` or `COHORT@DIGEST`.
        store: where the lender's models are.

    Raises:
        CohortProblem: a wrong declaration, no such lender, or one that lacks a model or was prepared otherwise.
    """
    entry = declared_in(name_or_file)
    cohort, sign, digest = model.partition("@")
    if sign and not DIGEST.fullmatch(digest):
        raise BorrowingError(f"--model {model}: expected COHORT or COHORT@DIGEST, 8 or more of its hexadecimal digits")
    if cohort == entry.name:
        raise BorrowingError(f"--model {model}: {cohort} cannot borrow from itself; run it without --model")
    try:
        lending = entry_named(cohort)
    except CatalogueError as error:
        raise BorrowingError(f"--model {model}: {error}") from None
    generation = lent_generation(store, cohort, digest)
    lenders = lenders_by_stage(store, cohort, generation, pinned=bool(digest))
    undo = _undone(lending, generation) and bool((entry.mapping.get("columns") or {}).get("true_aspect_wh"))
    declared = entry.mapping.get("settings") or {}
    settings = borrowing_settings(declared, generation, lenders, undo_squash=undo)
    if register(entry, settings):
        return Borrower(entry.name, {}, lenders, generation)
    return Borrower(entry.name, checked_settings(entry.name, settings), lenders, generation)


def _undone(lending: Entry, generation: Generation) -> bool:
    """Whether the lender's images were stretched back from squares."""
    used = generation.settings.get("radiographs", {})
    return bool(used.get("undo_squash") or lending.mapping.get("undo_squash"))


def lent_generation(store: ObjectStore, cohort: str, digest: str = "") -> Generation:
    """The models of a cohort that belong together.

    Args:
        store: the object store.
        cohort: the lender.
        digest: first digits of the digest of its translators' or its evaluation's manifest; empty for the current one.

    Raises:
        BorrowingError: the lender lacks one, or has none under that digest.
    """
    try:
        return generation_named(store, Place(KEPT_AT, cohort), digest)
    except GenerationError as error:
        raise BorrowingError(f"the models of {cohort} cannot be borrowed: {error}") from None


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


def borrowing_settings(
    declared: Mapping[str, Any], generation: Generation, lenders: Mapping[str, str], *, undo_squash: bool
) -> Settings:
    """A cohort's settings by stage, with which it borrows all models and is prepared as the lender was.

    Args:
        declared: the settings of its declaration.
        generation: the lender's models and settings.
        lenders: see `lenders_by_stage`.
        undo_squash: whether the lender's images were stretched back, and the cohort's table tells how to.

    Raises:
        BorrowingError: the cohort declares something that its lender's models were not made for.
    """
    found: Settings = {stage: dict(values) for stage, values in declared.items()}
    for stage, names in FIXED.items():
        theirs = _decided(stage, generation, names)
        _require_same(stage, found.get(stage, {}), theirs)
        found[stage] = {**found.get(stage, {}), **_set(stage, theirs)}
    for stage in PROPOSED:
        found[stage] = {**_set(stage, _decided(stage, generation, None)), **found.get(stage, {})}
    for stage, lender in lenders.items():
        found[stage] = {**found.get(stage, {}), "borrow_from": lender}
    found["radiographs"] |= ALL_TEST
    if undo_squash:
        found["radiographs"]["undo_squash"] = True
    return {stage: values for stage, values in found.items() if values}


def _rows(store: ObjectStore, stage: str, cohort: str, generation: Generation) -> list[dict[str, Any]]:
    digest = generation.digest(stage, cohort)
    data = store.read_or_none(Place(stage, cohort).manifest(digest)) if digest else None
    if data is None:
        lost = "is no longer in the store" if digest else "is not there"
        raise BorrowingError(
            f"the models of {cohort} cannot be borrowed: its {stage} {lost}; run `pseudopair run {cohort}`"
        )
    rows: list[dict[str, Any]] = table_from(data).to_pylist()
    return rows


def _decided(stage: str, generation: Generation, names: tuple[str, ...] | None) -> dict[str, Any]:
    """What the lender's stage was run with, as far as it counts."""
    used = generation.settings.get(stage, {})
    known = STAGE_SETTINGS[stage].model_fields.keys() & used.keys() - UNDECIDED
    return {name: used[name] for name in used if name in known and (names is None or name in names)}


def _set(stage: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that are not the defaults."""
    fields = STAGE_SETTINGS[stage].model_fields
    return {
        name: value for name, value in values.items() if value != fields[name].get_default(call_default_factory=True)
    }


def _require_same(stage: str, declared: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    for name, value in declared.items():
        if name in theirs and value != theirs[name]:
            raise BorrowingError(
                f"settings.{stage}.{name} is {value!r}, but the borrowed models were made with {theirs[name]!r}; take "
                "it out of the cohort's file, or leave out --model and train its own models"
            )
