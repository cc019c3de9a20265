"""`--model COHORT[@DIGEST]`: the settings by which a cohort takes all models of another one and fits nothing."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.cohort_files import PEER_FRAMES, CohortProblem, declared_in, register
from pipelines.settings import STAGE_SETTINGS
from resources.catalogue import CatalogueError, Entry, entry_named, read_entry
from resources.generation import KEPT_AT, Generation, GenerationError, barred, generation_named
from resources.local_files import undone_on_error
from resources.manifests import Place, table_from
from resources.object_store import ObjectStore
from resources.studies import study_of
from resources.taken_models import Settings, Taken, take, taken_path
from resources.variants import base_of

# Stages whose rows are a cohort's models, or were chosen by its validation patients.
MODELS = ("lung_segmenter", "reference_lung", "registration_model", "translator", "normal_maps", "evaluation")
DECIDED = ("normal_maps", "evaluation")
DIGEST = re.compile(r"[0-9a-f]{8,64}")
# What decides pixels or numbers that the models were fitted to: another value would need other models.
FIXED: dict[str, tuple[str, ...] | None] = {
    "radiographs": ("size", "low_percentile", "high_percentile"),
    "prealigned_radiographs": None,
    "registered_radiographs": None,
    "anomaly_maps": None,
    "evaluation": ("patient_score", "specificity"),
}
# The cohort may decide otherwise: masks of its own, say.
PROPOSED: dict[str, tuple[str, ...] | None] = {
    "lung_masks": None,
    "localisation": None,
    "evaluation": ("headline", "confidence"),
}
ALL_TEST = {"test_share": 1.0, "validation_share": 0.0, "folds": 0, "fold": 0}
UNDECIDED = {"share_set_aside", "borrow_from"}


class BorrowingError(CohortProblem):
    """A cohort cannot take over another one's models; the message says why and what to do."""


@dataclass(frozen=True)
class Borrower:
    """A cohort that borrows all models.

    Attributes:
        name: the cohort's name.
        lenders: what each model stage borrows from.
        generation: the lender's models.
    """

    name: str
    lenders: dict[str, str]
    generation: Generation

    def told(self) -> list[str]:
        """Which models are used, one line a stage."""
        parts = ((stage, *lender.partition("@")) for stage, lender in self.lenders.items())
        lines = [
            f"{self.name}: {stage} of {cohort}, manifest {digest or self.generation.digest(stage, cohort)}"
            for stage, cohort, _, digest in parts
        ]
        peers = ", ".join(self.generation.settings.get(PEER_FRAMES, {}).get("peers", []))
        without = [f"{self.name}: arms in the frames of {peers} are not scored, nothing brings new images into them"]
        return [*lines, *(without if peers else [])]


def borrower(name_or_file: str, model: str, store: ObjectStore) -> Borrower:
    """Let a cohort borrow every model from now on; its own file stays as it is.

    To be called before anything imports `resources.partitions`, which reads what is declared once.

    Args:
        name_or_file: a declared cohort, or a YAML file.
        model: `COHORT` or `COHORT@DIGEST`.
        store: where the lender's models are.

    Raises:
        CohortProblem: a wrong declaration, no such lender, or one that lacks a model or was prepared otherwise.
    """
    # Without the models that it has taken before.
    entry = read_entry(declared_in(name_or_file).path)
    noted, lenders, generation = lent_to(entry, model, store)
    register(entry)
    with undone_on_error([taken_path(entry.name)]):
        take(entry.name, noted)
        require_version(model.partition("@")[0], generation)
    return Borrower(entry.name, lenders, generation)


def lent_to(entry: Entry, model: str, store: ObjectStore) -> tuple[Taken, dict[str, str], Generation]:
    """The settings with which a cohort takes models, whose each is, and the models.

    Args:
        entry: what the cohort declares.
        model: `COHORT` or `COHORT@DIGEST`.
        store: where the lender's models are.

    Raises:
        BorrowingError: no such lender, or one that lacks a model, was prepared otherwise or has the same patients.
    """
    cohort, sign, digest = model.partition("@")
    if sign and not DIGEST.fullmatch(digest):
        raise BorrowingError(f"--model {model}: expected COHORT or COHORT@DIGEST, 8 or more of its hexadecimal digits")
    if cohort == entry.name:
        raise BorrowingError(f"--model {model}: {cohort} cannot borrow from itself; run it without --model")
    try:
        lending = entry_named(cohort)
    except CatalogueError as error:
        raise BorrowingError(f"--model {model}: {error}") from None
    _require_others(entry, lending)
    generation = lent_generation(store, cohort, digest)
    lenders = lenders_by_stage(store, cohort, generation, pinned=bool(digest))
    undo = _undone(lending, generation) and bool((entry.mapping.get("columns") or {}).get("true_aspect_wh"))
    noted = taken_settings(entry.mapping.get("settings") or {}, generation, lenders, model, undo_squash=undo)
    return noted, lenders, generation


def lent_arms(store: ObjectStore, cohort: str, generation: Generation) -> set[tuple[str, int]]:
    """Arms and seeds that a lender has usable translators of."""
    return {
        (row["arm"], row["seed"]) for row in _rows(store, "translator", cohort, generation) if row["status"] == "ok"
    }


def _require_others(entry: Entry, lending: Entry) -> None:
    """Refuse models that were fitted on the cohort's own patients, and others for a study's fold."""
    if study := study_of(entry.name):
        raise BorrowingError(f"{entry.name} is a fold of the study {study}, and has its own models; leave it so")
    # The file that is read now may say otherwise than the one of that name that was registered before.
    above = str(entry.mapping.get("variant_of") or "")
    if base_of(lending.name) == (base_of(above) if above else entry.name):
        raise BorrowingError(
            f"{lending.name} holds the images of {entry.name} under another split, so its models were fitted to them; "
            "let a cohort of other patients lend"
        )


def require_version(cohort: str, generation: Generation) -> None:
    """Refuse models of another version of a stage that makes, prepares or scores: they may not be understood.

    Raises:
        BorrowingError: there is one; the message names the stage.
    """
    # Importing this reads which cohorts are declared.
    from pipelines.versions import VERSIONS

    for stage in dict.fromkeys((*FIXED, "lung_masks", *MODELS)):
        found = generation.versions.get(stage, VERSIONS[stage])
        if found != VERSIONS[stage]:
            raise BorrowingError(
                f"the {stage} of {cohort} is of version {found}, this is {VERSIONS[stage]}; run {remade(cohort)}"
            )


def remade(cohort: str) -> str:
    """The command that brings a cohort's models up to date."""
    study = study_of(cohort)
    return f"`pseudopair study {study}`" if study else f"`pseudopair run {cohort}`"


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


def taken_settings(
    declared: Mapping[str, Any], generation: Generation, lenders: Mapping[str, str], model: str, *, undo_squash: bool
) -> Taken:
    """The settings with which a cohort borrows all models and is prepared as the lender was.

    Args:
        declared: the settings of its declaration.
        generation: the lender's models and settings.
        lenders: see `lenders_by_stage`.
        model: as it was asked for.
        undo_squash: whether the lender's images were stretched back, and the cohort's table tells how to.

    Raises:
        BorrowingError: the cohort declares something that its lender's models were not made for.
    """
    fixed: Settings = {stage: _decided(stage, generation, names) for stage, names in FIXED.items()}
    for stage, theirs in fixed.items():
        _require_same(stage, declared.get(stage, {}), theirs)
    for stage, lender in lenders.items():
        fixed[stage] = {**fixed.get(stage, {}), "borrow_from": lender}
    fixed["radiographs"] |= ALL_TEST
    if undo_squash:
        fixed["radiographs"]["undo_squash"] = True
    proposed = {stage: _decided(stage, generation, names) for stage, names in PROPOSED.items()}
    return Taken(
        model=model,
        fixed={stage: values for stage, values in fixed.items() if values},
        proposed={stage: values for stage, values in proposed.items() if values},
    )


def _rows(store: ObjectStore, stage: str, cohort: str, generation: Generation) -> list[dict[str, Any]]:
    digest = generation.digest(stage, cohort)
    data = store.read_or_none(Place(stage, cohort).manifest(digest)) if digest else None
    if data is None:
        lost = "is no longer in the store" if digest else "is not there"
        raise BorrowingError(f"the models of {cohort} cannot be borrowed: its {stage} {lost}; run {remade(cohort)}")
    rows: list[dict[str, Any]] = table_from(data).to_pylist()
    return rows


def _decided(stage: str, generation: Generation, names: tuple[str, ...] | None) -> dict[str, Any]:
    """What the lender's stage was run with, as far as it counts."""
    used = generation.settings.get(stage, {})
    known = STAGE_SETTINGS[stage].model_fields.keys() & used.keys() - UNDECIDED
    return {name: used[name] for name in used if name in known and (names is None or name in names)}


def _require_same(stage: str, declared: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    for name, value in declared.items():
        if name in theirs and value != theirs[name]:
            raise BorrowingError(
                f"settings.{stage}.{name} is {value!r}, but the borrowed models were made with {theirs[name]!r}; take "
                "it out of the cohort's file, or leave out --model and train its own models"
            )
