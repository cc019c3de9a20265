"""Which models belong together: those that one manifest goes back to, read from the pointers and kept beside it."""

import json
from collections import deque
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.tombstones import withdrawn_manifests

# Folder beside a manifest: one object a manifest, told by the layout in `resources.layout`.
FOLDER = "models"
# The stage that ends a cohort's models: beside its manifests the generations are kept.
KEPT_AT = "evaluation"
# As `resources.stage_run` names it, which reads the cohort files when it is imported.
MUST_RETRAIN = "must_retrain"


class GenerationError(LookupError):
    """A generation is not there, or not whole; the message says what to run."""


class Generation(BaseModel):
    """What a manifest was made from, one entry a stage."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_at: str = Field(description="when the manifest was made, ISO 8601, UTC")
    digests: dict[str, str] = Field(description="stage@partition -> digest of its manifest, of one shard a stage")
    settings: dict[str, dict[str, Any]] = Field(description="stage -> settings that it was run with")
    versions: dict[str, str] = Field(description="stage -> version of its algorithm")

    def digest(self, stage: str, cohort: str) -> str:
        """Digest of a cohort's manifest of a model stage, empty where it is not among them."""
        return self.digests.get(str(Place(stage, cohort)), "")


def generation_of(store: ObjectStore, place: Place) -> Generation:
    """What the current manifest of a place was made from.

    Raises:
        GenerationError: the place has no manifest, or one that it was made from is not current.
    """
    digests: dict[str, str] = {}
    pointers: dict[str, dict[str, Any]] = {}
    waiting = deque([(place, "")])
    while waiting:
        at, wanted = waiting.popleft()
        if str(at) in digests or _other_shard(at, digests):
            continue
        pointer = _pointer(store, at, wanted)
        digests[str(at)] = pointer["digest"]
        # What is borrowed stands there twice; the borrower's own comes first.
        pointers.setdefault(at.stage, pointer)
        waiting.extend((Place(*name.split("@", 1)), digest) for name, digest in pointer["parents"].items())
    return Generation(
        made_at=pointers[place.stage]["created_at"],
        digests=digests,
        settings={stage: pointer["settings"] for stage, pointer in pointers.items()},
        versions={stage: pointer["version"] for stage, pointer in pointers.items()},
    )


def remember_generation(store: ObjectStore, place: Place) -> None:
    """Keep beside the current manifest of a place what it was made from: pointers tell it only of the present.

    Where a stage was run anew meanwhile, there is nothing whole to be kept.
    """
    try:
        found = generation_of(store, place)
    except GenerationError:
        return
    data = json.dumps(found.model_dump(), indent=1, sort_keys=True).encode()
    store.write(f"{place.folder}/{FOLDER}/{found.digests[str(place)]}.json", data)


def generation_named(store: ObjectStore, place: Place, digest: str) -> Generation:
    """The generation that holds a manifest, by the first digits of that manifest's digest.

    Args:
        store: the object store.
        place: where generations are kept.
        digest: of the manifest of any cohort-wide stage of the generation, 8 digits or more; empty for the current one.

    Raises:
        GenerationError: no generation that is known holds it.
    """
    if not digest:
        return generation_of(store, place)
    known = [*_current(store, place), *sorted(_remembered(store, place), key=lambda each: each.made_at, reverse=True)]
    for generation in known:
        cohort = place.partition
        mine = (found for name, found in generation.digests.items() if name.endswith(f"@{cohort}"))
        if any(found.startswith(digest) for found in mine):
            return generation
    listed = ", ".join(dict.fromkeys(each.digest("translator", place.partition)[:12] for each in known))
    raise GenerationError(
        f"{place.partition} has no models under {digest}; its translators' manifests are {listed or 'none'}"
    )


def barred(store: ObjectStore, place: Place, digest: str = "") -> str:
    """Why nobody may borrow a model any more, empty where nothing speaks against it.

    Args:
        store: the object store.
        place: stage and lender.
        digest: of the manifest, in full; empty for the current one.
    """
    pointer = read_pointer(store, place) or {}
    if pointer.get(MUST_RETRAIN):
        return str(pointer[MUST_RETRAIN])
    gone = digest in withdrawn_manifests(store) if digest else False
    return "a patient withdrew who was in it; borrow what the cohort has now" if gone else ""


def _current(store: ObjectStore, place: Place) -> list[Generation]:
    try:
        return [generation_of(store, place)]
    except GenerationError:
        # What is named by its digest may be of a time when all was whole.
        return []


def _remembered(store: ObjectStore, place: Place) -> list[Generation]:
    found = []
    for path in sorted(store.find(f"{place.folder}/{FOLDER}")):
        try:
            found.append(Generation.model_validate_json(store.read(path)))
        except (ValidationError, FileNotFoundError):
            continue
    return found


def _other_shard(place: Place, digests: dict[str, str]) -> bool:
    """Whether another shard of the same stage and cohort was looked at: all are of one generation."""
    cohort, sign, _ = place.partition.partition("/")
    return bool(sign) and any(name.startswith(f"{place.stage}@{cohort}/") for name in digests)


def _pointer(store: ObjectStore, place: Place, wanted: str) -> dict[str, Any]:
    pointer = read_pointer(store, place)
    cohort = place.partition.partition("/")[0]
    if pointer is None:
        raise GenerationError(f"{place} has no manifest yet; run `pseudopair run {cohort}`")
    if pointer.get(MUST_RETRAIN):
        raise GenerationError(f"{place} is to be made again: {pointer[MUST_RETRAIN]}")
    if wanted and pointer["digest"] != wanted:
        raise GenerationError(f"{place} was run anew, and what was made from it not; run `pseudopair run {cohort}`")
    return pointer
