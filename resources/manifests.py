"""Manifests: immutable Parquet files named by their digest, and one small pointer a stage and partition, written last.

Layout below the store's root:

    stages/<stage>/<partition>/CURRENT.json            pointer: digest, counts, parents, settings, run
    stages/<stage>/<partition>/manifests/<digest>.parquet
    stages/<stage>/<partition>/artifacts/<k>/<key>.safetensors
    stages/<stage>/<partition>/FAILED.json             there only after a failed run
    stages/radiographs/<partition>/sources/<digest>.parquet      index of source files, rebuilt where it is lost
    stages/pseudo_pairs/<cohort>/descriptors/<shard>.safetensors  what pairs are compared by, rebuilt likewise
"""

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from resources.arrays import Arrays, CorruptArtifact, decode
from resources.object_store import ObjectStore, StoreConflict

# One encoder for all: `json.dumps` with these options makes a new one at every call.
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class Place:
    """One stage of one partition, e.g. ("lung_masks", "phantom/0")."""

    stage: str
    partition: str

    @property
    def folder(self) -> str:
        """Folder below the store's root."""
        return f"stages/{self.stage}/{self.partition}"

    def artifact(self, key: str) -> str:
        """Path of the artefact of a row key."""
        return f"{self.folder}/artifacts/{key[:2]}/{key}.safetensors"

    def manifest(self, digest: str) -> str:
        """Path of a manifest by its digest."""
        return f"{self.folder}/manifests/{digest}.parquet"

    def picture(self, name: str) -> str:
        """Path of a picture by the name that people see."""
        return f"{self.folder}/pictures/{name.replace('/', '-').replace(' ', '-')}.png"

    def __str__(self) -> str:
        return f"{self.stage}@{self.partition}"


def fingerprint(value: object) -> str:
    """SHA-256 (32 hex digits) of a JSON-able value in canonical form."""
    return short_digest(canonical(value))


def canonical(value: object) -> str:
    """A JSON-able value as text, the same for equal values."""
    text: str = _CANONICAL.encode(value)
    return text


def short_digest(text: str) -> str:
    """SHA-256 (32 hex digits) of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def digest_of(data: bytes) -> str:
    """SHA-256 (64 hex digits) of bytes."""
    return hashlib.sha256(data).hexdigest()


def table_bytes(table: pa.Table) -> bytes:
    """A table as Parquet; equal tables give equal bytes."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def table_from(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The table of a Parquet file's bytes, or some of its columns, read on this thread alone.

    Arrow's pool reads by calling back into Python, and a thread of it that is still letting go when the interpreter
    ends aborts a process whose work is done (apache/arrow issue 34314).

    Raises:
        pyarrow.ArrowException: the bytes are no Parquet file.
    """
    file = pq.ParquetFile(pa.BufferReader(data), pre_buffer=False)
    return file.read(columns=None if columns is None else list(columns), use_threads=False)


def read_pointer(store: ObjectStore, place: Place) -> dict[str, Any] | None:
    """The pointer record of a stage and partition, None if it never completed."""
    data = store.read_or_none(f"{place.folder}/CURRENT.json")
    return None if data is None else dict(json.loads(data))


def read_manifest(store: ObjectStore, place: Place, columns: Sequence[str] | None = None) -> pa.Table | None:
    """The current manifest, or some of its columns; None if there is none.

    Raises:
        CorruptArtifact: it was altered after it was written.
    """
    pointer = read_pointer(store, place)
    return None if pointer is None else _unaltered(store, place, pointer["digest"], columns)


def read_previous(store: ObjectStore, place: Place, columns: Sequence[str] | None = None) -> pa.Table | None:
    """What a stage finds of its own last run: as `read_manifest`, but None where the manifest is lost or altered too.

    Its rows are then taken up from their artefacts, and the manifest is written anew.
    """
    try:
        return read_manifest(store, place, columns)
    except (FileNotFoundError, CorruptArtifact):
        return None


def _unaltered(store: ObjectStore, place: Place, digest: str, columns: Sequence[str] | None) -> pa.Table:
    path = place.manifest(digest)
    data = store.read(path)
    if digest_of(data) != digest:
        raise CorruptArtifact(
            f"{path} was altered after it was written; delete {place.folder}/CURRENT.json and run {place.stage} for "
            f"{place.partition} again: finished rows are kept"
        )
    return table_from(data, columns)


def require_current(
    store: ObjectStore, place: Place, columns: Sequence[str] | None = None
) -> tuple[dict[str, Any], pa.Table]:
    """The pointer and the manifest that it names, or some of the manifest's columns.

    Raises:
        FileNotFoundError: the stage has not run for this partition.
        CorruptArtifact: the manifest was altered after it was written.
    """
    pointer = read_pointer(store, place)
    if pointer is None:
        raise FileNotFoundError(f"{place} has no manifest yet; materialise {place.stage} for {place.partition} first")
    return pointer, _unaltered(store, place, pointer["digest"], columns)


def pointer_version(store: ObjectStore, place: Place) -> str:
    """Tag of the pointer as it stands, to be taken before a run's work begins."""
    return store.version(f"{place.folder}/CURRENT.json")


def publish(
    store: ObjectStore, place: Place, table: pa.Table, record: dict[str, Any], expected: str | None = None
) -> str:
    """Write the manifest, then the pointer to it; returns the manifest's digest.

    Args:
        store: the object store.
        place: stage and partition.
        table: the manifest.
        record: what the pointer says besides digest and rows.
        expected: `pointer_version` before the work began; None to publish over whatever stands there.

    Raises:
        StoreConflict: another run published something else first.
    """
    digest = write_manifest(store, place, table)
    point_to(store, place, {"digest": digest, "rows": table.num_rows, **record}, expected)
    return digest


def write_manifest(store: ObjectStore, place: Place, table: pa.Table) -> str:
    """Write a manifest that nothing points to yet; returns its digest."""
    data = table_bytes(table)
    digest = digest_of(data)
    store.write(place.manifest(digest), data)
    return digest


def point_to(store: ObjectStore, place: Place, pointer: dict[str, Any], expected: str | None = None) -> None:
    """Make a manifest that lies there the current one.

    Args:
        store: the object store.
        place: stage and partition.
        pointer: digest and rows of the manifest, and whatever else is to be said of it.
        expected: `pointer_version` before the work began.

    Raises:
        StoreConflict: another run published something else first.
    """
    data = json.dumps(pointer, sort_keys=True, indent=1).encode()
    try:
        store.replace(f"{place.folder}/CURRENT.json", data, expected)
    except StoreConflict:
        # Two runs that came to the same from the same are one as good as the other.
        if _essence(read_pointer(store, place) or {}) != _essence(pointer):
            raise
    store.delete(f"{place.folder}/FAILED.json")


def _essence(pointer: dict[str, Any]) -> str:
    return canonical([pointer.get(name) for name in ("digest", "parents", "settings", "version", "source")])


def read_artifact(store: ObjectStore, row: dict[str, Any]) -> Arrays:
    """Arrays of a manifest row, checked against the digest that the manifest holds.

    Raises:
        CorruptArtifact: missing, or not the bytes that were written.
    """
    data = store.read_or_none(row["artifact"])
    if data is None:
        raise CorruptArtifact(f"{row['artifact']} is missing; run its stage again, it comes back")
    if digest_of(data) != row["artifact_digest"]:
        raise CorruptArtifact(f"{row['artifact']} was altered after it was written; delete it and run its stage again")
    return decode(data)
