"""What is fresh, stale, failed or missing, per stage and shard, and why (the UI tells it one at a time)."""

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

from pydantic import ValidationError

from assets.evaluation.settings import patient_score_of
from assets.radiographs.declaration import DeclarationError, parse_declaration
from assets.radiographs.sources import source_digests
from pipelines.lenders import stages_of
from pipelines.stages import STAGE_NAMES, STAGES, Stage
from pipelines.versions import VERSIONS
from resources.catalogue import CatalogueError, entry_named
from resources.home import store_url
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import FOLDS, SHARDS_BY_COHORT, cohort_of

State = Literal["fresh", "stale", "failed", "missing"]
Sources = Callable[[str], dict[str, str] | None]
# A remote store answers in tens of milliseconds, whatever it is asked.
REQUESTS_AT_ONCE = 32
WRONG_SETTINGS = "the declared settings are wrong; see `pseudopair cohorts`"
# Their areas stand beside those of the arms, so patients are condensed alike.
BESIDE_ARMS = ("shortcut_audit", "leak_control")
UNREADABLE = "its declaration cannot be read; see `pseudopair cohorts`"


@dataclass(frozen=True)
class StatusRow:
    """One stage of one partition, as shown to a person."""

    stage: str
    partition: str
    state: State
    ok: str
    aside: str
    seconds: str
    why: str


@dataclass(frozen=True)
class _Present:
    """What manifests are compared with, each read once: pointers and failures of the store, and the sources."""

    store: ObjectStore
    sources: Sources
    pointers: dict[Place, dict[str, Any] | None] = field(default_factory=dict)
    failures: dict[Place, bytes | None] = field(default_factory=dict)
    rows: dict[tuple[str, bool], list[StatusRow]] = field(default_factory=dict)

    def pointer(self, place: Place) -> dict[str, Any] | None:
        if place not in self.pointers:
            self.pointers[place] = read_pointer(self.store, place)
        return self.pointers[place]

    def read(self, places: Sequence[Place]) -> None:
        with ThreadPoolExecutor(REQUESTS_AT_ONCE) as requests:
            pointers = requests.map(lambda place: read_pointer(self.store, place), places)
            failures = requests.map(lambda place: self.store.read_or_none(f"{place.folder}/FAILED.json"), places)
            self.pointers.update(zip(places, pointers, strict=True))
            self.failures.update(zip(places, failures, strict=True))

    def cohort(self, cohort: str, in_part: bool) -> list[StatusRow]:
        if (cohort, in_part) not in self.rows:
            places = [Place(stage.name, key) for stage in STAGES for key in stage.partitions(cohort)]
            self.read([place for place in places if place not in self.failures])
            self.rows[cohort, in_part] = _cohort_rows(self, cohort, in_part)
        return self.rows[cohort, in_part]


def status_rows(
    cohort: str | None = None,
    store: ObjectStore | None = None,
    sources: Sources | None = None,
    *,
    in_part: bool = False,
) -> list[StatusRow]:
    """State of every stage and partition of a cohort, or of every cohort that has any manifest.

    Stale means: what was read has a newer manifest, the algorithm's version changed, the declared settings differ from
    those used, it must be trained again, or an upstream stage is itself stale. A fold of a study lends what it has:
    that its study has not asked for every arm yet makes no borrower stale.

    Args:
        cohort: one cohort; by default all that have been run.
        store: by default the installation's.
        sources: digest of the present sources by shard, None where they cannot be read; `sources_now` by default.
        in_part: a translator of which a launch asked for some arms only, as a study does, is not stale for that.

    Raises:
        CatalogueError: no cohort has the name.
    """
    objects = store or ObjectStore(store_url())
    names = [entry_named(cohort).name] if cohort else begun_cohorts(objects)
    present = _Present(objects, cache(sources or sources_now))
    return [row for name in names for row in present.cohort(name, in_part)]


def begun_cohorts(store: ObjectStore) -> list[str]:
    """Names of the cohorts that have been run: any shard of theirs has a manifest of radiographs."""
    shards = [shard for shards in SHARDS_BY_COHORT.values() for shard in shards]
    return sorted({cohort_of(shard) for shard, pointer in radiograph_pointers(store, shards).items() if pointer})


def radiograph_pointers(store: ObjectStore, shards: Iterable[str]) -> dict[str, dict[str, Any] | None]:
    """Pointer of the radiographs by shard, None for one that never completed."""
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as requests:
        keys = list(shards)
        found = requests.map(lambda shard: read_pointer(store, Place("radiographs", shard)), keys)
        return dict(zip(keys, found, strict=True))


def sources_now(cohort: str) -> dict[str, str] | None:
    """Digest of a cohort's present sources by shard, None where they cannot be read."""
    try:
        declaration = parse_declaration(entry_named(cohort).mapping)
        source = ObjectStore(declaration.root, dict(declaration.storage_options))
        digests = source_digests(declaration, source.read, lambda: source.stats(""), source.open)
    except (CatalogueError, DeclarationError):
        return None
    # Another number of shards than when Dagster loaded is another declaration, too: every digest is a new one.
    return dict(zip(SHARDS_BY_COHORT[cohort], digests, strict=False))


def _cohort_rows(present: _Present, cohort: str, in_part: bool) -> list[StatusRow]:
    declared = _declared(cohort)
    rows: list[StatusRow] = []
    stale: set[str] = set()
    for stage in stages_of(_mappings(declared), STAGES):
        wanted = _wanted(stage, declared, in_part)
        for partition in stage.partitions(cohort):
            row = _row(present, stage, partition, wanted, stale, in_part)
            rows.append(row)
            if row.state != "fresh":
                stale.add(str(Place(stage.name, partition)))
    return rows


def _mappings(declared: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Those of a cohort's settings that are as settings should be."""
    return {stage: values for stage, values in (declared or {}).items() if isinstance(values, dict)}


def _declared(cohort: str) -> dict[str, Any] | None:
    """A cohort's settings by stage, None without its file: one that is gone or broken must not hide other cohorts."""
    try:
        return dict(entry_named(cohort).mapping.get("settings") or {})
    except CatalogueError:
        return None
    except (TypeError, ValueError):
        # The file is a mapping, and what it calls settings is none; every stage says so.
        return dict.fromkeys(STAGE_NAMES, "")


def _wanted(stage: Stage, declared: dict[str, Any] | None, in_part: bool) -> dict[str, Any] | str:
    """A stage's declared settings that count, or why they cannot be told."""
    if declared is None:
        return UNREADABLE
    overlooked = {"only"} if in_part and stage.name == "translator" else set()
    try:
        found = stage.settings.model_validate(declared.get(stage.name, {})).model_dump(exclude=overlooked)
        shared = {"patient_score": patient_score_of({"settings": declared})} if stage.name in BESIDE_ARMS else {}
    except ValidationError:
        return WRONG_SETTINGS
    return found | shared


def _row(
    present: _Present, stage: Stage, partition: str, wanted: dict[str, Any] | str, stale: set[str], in_part: bool
) -> StatusRow:
    place = Place(stage.name, partition)
    pointer, failure = present.pointers[place], present.failures[place]
    counts = ("", "", "") if pointer is None else _counts(pointer)
    if failure is not None:
        return StatusRow(stage.name, partition, "failed", *counts, json.loads(failure)["error"])
    if pointer is None:
        return StatusRow(stage.name, partition, "missing", *counts, "never completed")
    why = _own_reason(present, stage, pointer, wanted) or _parents_reason(present, pointer, stale, in_part)
    return StatusRow(stage.name, partition, "stale" if why else "fresh", *counts, why)


def _counts(pointer: dict[str, Any]) -> tuple[str, str, str]:
    aside = pointer["needs_review"] + pointer["rejected"] + pointer["failed"]
    return str(pointer["ok"]), str(aside), f"{pointer['seconds']:.1f}"


def _own_reason(present: _Present, stage: Stage, pointer: dict[str, Any], wanted: dict[str, Any] | str) -> str:
    """Why a manifest is stale by itself, empty if it is not."""
    if pointer.get("must_retrain"):
        return str(pointer["must_retrain"])
    if wanted == UNREADABLE:
        return UNREADABLE
    if pointer["version"] != VERSIONS[stage.name]:
        return f"algorithm version {pointer['version']} → {VERSIONS[stage.name]}"
    if isinstance(wanted, str):
        return wanted
    changed = sorted(name for name in wanted if pointer["settings"].get(name) != wanted[name])
    if changed == ["only"]:
        return "only some of its trainings were asked for"
    if changed:
        return f"settings differ from the declaration: {', '.join(changed)}"
    if stage.name != "radiographs":
        return ""
    sources = present.sources(cohort_of(pointer["partition"]))
    if sources is None:
        return "its declaration, table or files cannot be read"
    same = sources.get(pointer["partition"]) == pointer.get("source")
    return "" if same else "its declaration, table or files changed"


def _parents_reason(present: _Present, pointer: dict[str, Any], stale: set[str], in_part: bool) -> str:
    """Why a manifest is stale by what it was made from, empty if it is not."""
    cohort = cohort_of(pointer["partition"])
    for parent, digest in pointer["parents"].items():
        upstream, _, partition = parent.partition("@")
        current = present.pointer(Place(upstream, partition))
        if current is None or current["digest"] != digest:
            return f"{parent} changed"
        if parent in stale or _stale_elsewhere(present, upstream, partition, cohort, in_part):
            return f"{parent} is not fresh"
    return ""


def _stale_elsewhere(present: _Present, stage: str, partition: str, cohort: str, in_part: bool) -> bool:
    """Whether a manifest of another cohort, whose model this one borrows, is not fresh itself."""
    lender = cohort_of(partition)
    if lender == cohort or lender not in SHARDS_BY_COHORT:
        return False
    rows = present.cohort(lender, in_part or lender in FOLDS)
    return any((row.stage, row.partition) == (stage, partition) and row.state != "fresh" for row in rows)
