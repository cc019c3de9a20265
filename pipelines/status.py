"""What is fresh, stale, failed or missing, per stage and shard, and why (the UI tells it one at a time)."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import ValidationError

from assets.radiographs.declaration import DeclarationError, parse_declaration
from assets.radiographs.sources import source_digest
from pipelines.stages import STAGES, Stage
from pipelines.versions import VERSIONS
from resources.catalogue import entry_named
from resources.home import store_url
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT, cohort_of

State = Literal["fresh", "stale", "failed", "missing"]


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
    """What manifests are compared with: the store, and the sources as they are, read once a cohort."""

    store: ObjectStore
    source: Callable[[str], str | None]


def status_rows(cohort: str | None = None, store: ObjectStore | None = None) -> list[StatusRow]:
    """State of every stage and partition of a cohort, or of every cohort that has any manifest.

    Stale means: what was read has a newer manifest, the algorithm's version changed, the declared settings differ from
    those used, or an upstream stage is itself stale.

    Raises:
        CatalogueError: no cohort has the name.
    """
    objects = store or ObjectStore(store_url())
    names = (
        [entry_named(cohort).name] if cohort else [name for name in sorted(SHARDS_BY_COHORT) if _begun(objects, name)]
    )
    present = _Present(objects, cache(source_now))
    return [row for name in names for row in _cohort_rows(present, name)]


def _begun(store: ObjectStore, cohort: str) -> bool:
    return any(read_pointer(store, Place("radiographs", shard)) for shard in SHARDS_BY_COHORT[cohort])


def _cohort_rows(present: _Present, cohort: str) -> list[StatusRow]:
    declared = entry_named(cohort).mapping.get("settings", {})
    rows: list[StatusRow] = []
    stale: set[str] = set()
    for stage in STAGES:
        for partition in stage.partitions(cohort):
            row = _row(present, stage, partition, declared.get(stage.name, {}), stale)
            rows.append(row)
            if row.state != "fresh":
                stale.add(str(Place(stage.name, partition)))
    return rows


def _row(present: _Present, stage: Stage, partition: str, declared: dict[str, Any], stale: set[str]) -> StatusRow:
    place = Place(stage.name, partition)
    failure = present.store.read_or_none(f"{place.folder}/FAILED.json")
    pointer = read_pointer(present.store, place)
    counts = ("", "", "") if pointer is None else _counts(pointer)
    if failure is not None:
        return StatusRow(stage.name, partition, "failed", *counts, json.loads(failure)["error"])
    if pointer is None:
        return StatusRow(stage.name, partition, "missing", *counts, "never completed")
    why = _staleness(present, stage, pointer, declared, stale)
    return StatusRow(stage.name, partition, "stale" if why else "fresh", *counts, why)


def _stale_elsewhere(present: _Present, stage: str, partition: str, cohort: str) -> bool:
    """Whether a manifest of another cohort, whose model this one borrows, is not fresh itself."""
    lender = cohort_of(partition)
    if lender == cohort or lender not in SHARDS_BY_COHORT:
        return False
    rows = _cohort_rows(present, lender)
    return any((row.stage, row.partition) == (stage, partition) and row.state != "fresh" for row in rows)


def source_now(cohort: str) -> str | None:
    """Digest of the present sources of a cohort, None where they cannot be read."""
    try:
        declaration = parse_declaration(entry_named(cohort).mapping)
        source = ObjectStore(declaration.root, dict(declaration.storage_options))
        return source_digest(declaration, source.read, lambda: sorted(source.find("")), source.open)
    except DeclarationError:
        return None


def _counts(pointer: dict[str, Any]) -> tuple[str, str, str]:
    aside = pointer["needs_review"] + pointer["rejected"] + pointer["failed"]
    return str(pointer["ok"]), str(aside), f"{pointer['seconds']:.1f}"


def _staleness(
    present: _Present, stage: Stage, pointer: dict[str, Any], declared: dict[str, Any], stale: set[str]
) -> str:
    if pointer["version"] != VERSIONS[stage.name]:
        return f"algorithm version {pointer['version']} → {VERSIONS[stage.name]}"
    try:
        wanted = stage.settings(**declared).model_dump()
    except ValidationError:
        return "the declared settings are wrong; see `pseudopair cohorts`"
    changed = sorted(name for name in wanted if pointer["settings"].get(name) != wanted[name])
    if changed:
        return f"settings differ from the declaration: {', '.join(changed)}"
    if stage.name == "radiographs" and present.source(cohort_of(pointer["partition"])) != pointer.get("source"):
        return "its declaration, table or files changed, or cannot be read"
    for parent, digest in pointer["parents"].items():
        upstream, _, partition = parent.partition("@")
        current = read_pointer(present.store, Place(upstream, partition))
        if current is None or current["digest"] != digest:
            return f"{parent} changed"
        if parent in stale or _stale_elsewhere(present, upstream, partition, cohort_of(pointer["partition"])):
            return f"{parent} is not fresh"
    return ""
