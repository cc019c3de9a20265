"""`--model COHORT[@DIGEST]`: a cohort takes all models of another one from now on, and fits nothing."""

import re
from dataclasses import dataclass

from pipelines.borrowing.lender import BorrowingError, lenders_by_stage, lent_generation
from pipelines.borrowing.settings import taken_settings
from pipelines.borrowing.versions import require_version
from pipelines.cohort_files import PEER_FRAMES, declared_in, register
from resources.catalogue import CatalogueError, Entry, entry_named, read_entry
from resources.generation import Generation
from resources.local_files import undone_on_error
from resources.object_store import ObjectStore
from resources.studies import study_of
from resources.taken_models import Taken, take, taken_path
from resources.variants import base_of

DIGEST = re.compile(r"[0-9a-f]{8,64}")


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


def _undone(lending: Entry, generation: Generation) -> bool:
    """Whether the lender's images were stretched back from squares."""
    used = generation.settings.get("radiographs", {})
    return bool(used.get("undo_squash") or lending.mapping.get("undo_squash"))
