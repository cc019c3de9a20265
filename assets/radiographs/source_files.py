"""Source files of a run: digest and patient of each, read only where no earlier run has read the very same file."""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pyarrow as pa

from assets.radiographs.dicom import source_patient
from assets.radiographs.identity import assignment, pseudonym
from assets.radiographs.sources import Stats

# Names are keyed hashes, so that the store holds no path; patient and assignment are set where a header was asked.
INDEX = pa.schema(
    [
        ("name", pa.string()),
        ("size", pa.int64()),
        ("stamp", pa.string()),
        ("digest", pa.string()),
        ("patient", pa.string()),
        ("assignment", pa.string()),
    ]
)
# FAT keeps times to 2 s; no other file system in use is as coarse.
CLOCK_TICK_NS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a run must know of a file before it decodes it.

    Attributes:
        digest: SHA-256 of its bytes.
        patient: pseudonym of the patient in its header, None where none was asked for or named.
        assignment: what that patient's split and shard are drawn by.
    """

    digest: str
    patient: str | None = None
    assignment: str | None = None


class SourceFiles:
    """Files below a root, looked up in an index by path, size and stamp.

    Args:
        read: bytes of a file by its path below the root.
        stats: size and stamp of files by path; a file without is read.
        known: index (INDEX) that earlier runs left.
        root: the root itself; equal paths below two roots are two files.
        key: of pseudonyms and names.
        clock: ns since 1970.

    Attributes:
        read_count: files that had to be read.
    """

    def __init__(
        self,
        read: Callable[[str], bytes],
        stats: Stats,
        known: pa.Table,
        root: str,
        key: bytes,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.read_count = 0
        self._read, self._stats, self._root, self._key, self._clock = read, stats, root, key, clock
        columns = [known.column(name).to_pylist() for name in INDEX.names]
        self._known = {entry[:3]: FileFacts(*entry[3:]) for entry in zip(*columns, strict=True)}
        self._facts: dict[str, FileFacts] = {}
        self._entries: dict[str, tuple[str, int, str]] = {}
        self._fresh: set[str] = set()

    def name(self, path: str, *, header: bool = False) -> str:
        """Name of a file in the index: a keyed hash, another one where the header's patient is wanted, too."""
        said = f"source file {int(header)} {self._root}\0{path}"
        return hmac.digest(self._key, said.encode(), "sha256").hex()[:32]

    def facts(self, path: str, *, header: bool = False) -> FileFacts:
        """Facts of a file.

        Raises:
            UnusableFile: `header`, and the file is no readable DICOM.
            Exception: whatever the storage raises for a file that cannot be read.
        """
        name = self.name(path, header=header)
        if name not in self._facts:
            self._facts[name] = self._found(name, path, header)
        return self._facts[name]

    def _found(self, name: str, path: str, header: bool) -> FileFacts:
        size, stamp = self._stats.get(path, (0, ""))
        known = self._known.get((name, size, stamp))
        if known is not None:
            self._entries[name] = (name, size, stamp)
            return known
        begun = self._clock()
        facts = _facts_of(self._read(path), self._key, header)
        self.read_count += 1
        if settled(stamp, begun):
            self._entries[name] = (name, size, stamp)
            self._fresh.add(name)
        return facts

    def index(self, files: Iterable[tuple[str, bool]], *, fresh: bool = False) -> pa.Table:
        """Entries (INDEX) of files that this run asked for, by path and whether by their header; sorted.

        Args:
            files: those to keep; of those whose stamp is not to be trusted nothing is kept.
            fresh: only of those that this run has read.
        """
        wanted = {self.name(path, header=header) for path, header in files} & self._entries.keys()
        kept = sorted(wanted & self._fresh if fresh else wanted)
        rows = [(*self._entries[name], self._facts[name]) for name in kept]
        return pa.Table.from_pylist(
            [
                dict(zip(INDEX.names, (*entry, facts.digest, facts.patient, facts.assignment), strict=True))
                for *entry, facts in rows
            ],
            schema=INDEX,
        )


def settled(stamp: str, read_at: int) -> bool:
    """Whether a file's stamp would be another one, had the file been written again since it was read.

    A file written just before it was read may be written again within the same tick of its storage's clock.

    Args:
        stamp: `etag TAG`, `mtime NS...` (ns since 1970), or empty where the storage tells neither.
        read_at: ns since 1970, before the file was read.
    """
    kind, _, told = stamp.partition(" ")
    return kind == "etag" or (kind == "mtime" and max(map(int, told.split())) + CLOCK_TICK_NS < read_at)


def _facts_of(data: bytes, key: bytes, header: bool) -> FileFacts:
    digest = hashlib.sha256(data).hexdigest()
    patient = source_patient(data) if header else None
    return FileFacts(digest, pseudonym(patient, key), assignment(patient)) if patient else FileFacts(digest)
