"""What `pseudopair gc` must leave: all that current manifests and those of the last days name."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.stored import is_declared
from resources.layout import Kind, Known, known
from resources.manifests import Place, digest_of, pointer_version, table_from
from resources.object_store import ObjectStore


class GarbageError(RuntimeError):
    """What is needed cannot be told, so nothing may be removed; the message says which object and what to do."""


@dataclass(frozen=True)
class Objects:
    """All objects of a store by path: bytes and time of writing, and what each is."""

    stamps: dict[str, tuple[int, float]]
    known: dict[str, Known]

    def of_kind(self, kind: Kind) -> list[str]:
        """Paths of one kind in order."""
        return sorted(path for path, which in self.known.items() if which.kind == kind)


@dataclass(frozen=True)
class Needs:
    """What must stay.

    Attributes:
        paths: that must stay.
        pointers: tag of each place's pointer that says so.
        left: places of shards that their cohort no longer has, from which nothing current was made: all of them may go.
    """

    paths: set[str]
    pointers: dict[Place, str]
    left: set[Place]


def objects_in(store: ObjectStore) -> Objects:
    """What a store holds."""
    stamps = store.stamps("")
    return Objects(stamps, {path: known(path) for path in stamps})


def needs_of(store: ObjectStore, objects: Objects, since: float) -> Needs:
    """What must stay.

    Args:
        store: the object store.
        objects: what it holds.
        since: manifests that were current at this time (s since 1970) or later stay, with all that they name.

    Raises:
        GarbageError: a pointer or a manifest that stays cannot be read.
    """
    places = {place for which in objects.known.values() if which.kind == "pointer" and (place := which.place)}
    # Taken before the pointers are read: one that is replaced meanwhile is noticed later.
    tags = {place: pointer_version(store, place) for place in sorted(places, key=str)}
    pointers = {place: _pointer(store, place) for place in tags}
    left = _left(pointers, objects, since)
    pointers = {place: pointer for place, pointer in pointers.items() if place not in left}
    manifests = {place.manifest(pointer["digest"]) for place, pointer in pointers.items()}
    manifests |= _parents(pointers) & objects.stamps.keys()
    manifests |= _borrowed(pointers, objects)
    manifests |= _current_since(objects, since)
    artifacts = {name for path in manifests for name in _named(store, path)}
    pictures = {place.picture(name) for place, pointer in pointers.items() for name in pointer.get("pictures", [])}
    return Needs(manifests | artifacts | pictures | _newest_caches(objects, left), tags, left)


def _pointer(store: ObjectStore, place: Place) -> dict[str, Any]:
    path = f"{place.folder}/CURRENT.json"
    try:
        pointer: dict[str, Any] = json.loads(store.read(path))
        return {**pointer, "digest": str(pointer["digest"]), "parents": dict(pointer.get("parents", {}))}
    except (ValueError, KeyError, TypeError) as error:
        raise GarbageError(f"{path} cannot be read; nothing was removed. Run its stage again, then gc") from error


def _left(pointers: dict[Place, dict[str, Any]], objects: Objects, since: float) -> set[Place]:
    """Places of undeclared shards that have stood still since then and that no place which stays goes back to."""
    places = {which.place for which in objects.known.values() if which.place}
    still = {
        place
        for place in places
        if not is_declared(place) and objects.stamps.get(f"{place.folder}/CURRENT.json", (0, 0.0))[1] < since
    }
    waiting = list(places - still)
    while waiting:
        for parent in pointers.get(waiting.pop(), {"parents": {}})["parents"]:
            stage, _, partition = parent.partition("@")
            if (place := Place(stage, partition)) in still:
                still.remove(place)
                waiting.append(place)
    return still


def _parents(pointers: dict[Place, dict[str, Any]]) -> set[str]:
    """Manifests that current ones were made from, even where those are no longer current themselves."""
    named = ((parent, digest) for pointer in pointers.values() for parent, digest in pointer["parents"].items())
    return {Place(*parent.split("@", 1)).manifest(digest) for parent, digest in named}


def _borrowed(pointers: dict[Place, dict[str, Any]], objects: Objects) -> set[str]:
    """Manifests that cohorts borrow by their digests: no pointer names them as what it was made from."""
    named = ((place.stage, (pointer.get("settings") or {}).get("borrow_from")) for place, pointer in pointers.items())
    lent = ((stage, *str(text or "").partition("@")) for stage, text in named)
    begun = tuple(f"{Place(stage, cohort).folder}/manifests/{digest}" for stage, cohort, _, digest in lent if digest)
    return {path for path in objects.of_kind("manifest") if path.startswith(begun)}


def _current_since(objects: Objects, since: float) -> set[str]:
    """Manifests that no other one had replaced by then."""
    written: dict[Place | None, list[tuple[float, str]]] = defaultdict(list)
    for path in objects.of_kind("manifest"):
        written[objects.known[path].place].append((objects.stamps[path][1], path))
    return {path for each in written.values() for path, until in _spans(sorted(each)) if until >= since}


def _spans(written: list[tuple[float, str]]) -> Iterator[tuple[str, float]]:
    """Each manifest with the time at which the next one was written; the last one, with its own."""
    for position, (moment, path) in enumerate(written):
        yield path, written[position + 1][0] if position + 1 < len(written) else moment


def _named(store: ObjectStore, manifest: str) -> set[str]:
    """Artefacts that a manifest names, its own and those of upstream stages."""
    try:
        data = store.read(manifest)
        if digest_of(data) != PurePosixPath(manifest).stem:
            raise pa.ArrowInvalid("altered")
        names = pq.ParquetFile(pa.BufferReader(data)).schema_arrow.names
        table = table_from(data, [name for name in names if name == "artifact" or name.endswith("_artifact")])
    except (FileNotFoundError, pa.ArrowException) as error:
        raise GarbageError(f"{manifest} cannot be read; nothing was removed. Run its stage again, then gc") from error
    return {path for column in table.columns for path in column.unique().to_pylist() if path}


def _newest_caches(objects: Objects, left: set[Place]) -> set[str]:
    newest: dict[Place | None, str] = {}
    for path in sorted(objects.of_kind("cache"), key=lambda path: objects.stamps[path][1]):
        newest[objects.known[path].place] = path
    return {path for place, path in newest.items() if place not in left}
