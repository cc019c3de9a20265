"""Intake of one shard of a cohort of files: its rows, planned with as few reads of its files as can be."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from assets.radiographs.cohort_rows import CohortRows, cohort_rows
from assets.radiographs.declaration import CohortDeclaration
from assets.radiographs.identity import pseudonym
from assets.radiographs.plan import Planned, people, read_files, with_digests
from assets.radiographs.source_files import INDEX, SourceFiles
from assets.radiographs.source_row import SourceRow
from assets.radiographs.source_texts import Names, Read
from assets.radiographs.sources import Opened, Stats, file_stats, source_digest_of, with_masks
from assets.radiographs.split import shard_of


@dataclass(frozen=True)
class Access:
    """Where a cohort's files are, and what earlier runs left of them.

    Attributes:
        read: bytes of a file by its path below the root.
        opened: the same as a stream.
        names: paths of all files below the root, sorted.
        stats: size and stamp of these files.
        known: index that earlier runs left with a shard, by its number.
        add: leave an index with a shard, beside what lies there.
        settle: leave an index with a shard, instead of all that `known` gave.
    """

    read: Read
    opened: Opened
    names: Names
    stats: Callable[[], Stats]
    known: Callable[[int], pa.Table]
    add: Callable[[int, pa.Table], None]
    settle: Callable[[int, pa.Table], None]


@dataclass(frozen=True)
class Barred:
    """Patients (pseudonyms) and files (SHA-256) that may not come in."""

    patients: Collection[str] = frozenset()
    files: Collection[str] = frozenset()

    def holds(self, planned: Planned) -> bool:
        """Whether a row may not come in."""
        return planned.patient in self.patients or any(digest in self.files for digest in planned.digests[:1])


@dataclass(frozen=True)
class _Present:
    """Patients of a shard by the present sources, each with the digest of an image where it is known.

    Attributes:
        images: (pseudonym, digest).
        indexed: digests of all files that were the shard's; None where every file is known.
    """

    images: Set[tuple[str | None, str | None]]
    indexed: Collection[str] | None = None

    def has(self, patient: str, digest: str) -> bool:
        """Whether the patient has the file, or may have it: no index says which file it was."""
        if self.indexed is None or digest in self.indexed:
            return (patient, digest) in self.images
        return any(patient == present for present, _ in self.images)


@dataclass(frozen=True)
class Intake:
    """A shard's rows, ready to be decoded.

    Attributes:
        source: digest of what they come from, as `source_digests` gives it.
        planned: its rows without barred ones.
        barred: how many these were.
    """

    source: str
    planned: list[Planned]
    barred: int
    _shard: int
    _cohort: CohortRows
    _files: SourceFiles
    _access: Access
    _key: bytes
    _by_header: list[Planned] = field(default_factory=list)
    _present: dict[int, _Present] = field(default_factory=dict)

    @property
    def read_count(self) -> int:
        """Files that had to be read."""
        return self._files.read_count

    def remember(self, numbers: Collection[int]) -> None:
        """Index the files of the rows with these numbers, and no others, for the next run."""
        rows = [planned.row for planned in self.planned if planned.row.number in numbers]
        self._access.settle(self._shard, self._files.index(read_files(rows, self._cohort.by_header)))

    def stands(self, shard: int, published: Mapping[str, Any]) -> bool:
        """Whether a row in another shard's manifest is that shard's by the present sources, too.

        A row may have been given another patient, or be gone, and its shard not have been run since.
        """
        if shard not in self._present:
            self._present[shard] = self._present_of(shard)
        return self._present[shard].has(published["patient"], published["file_digest"])

    def _present_of(self, shard: int) -> _Present:
        if self._cohort.by_header:
            return _Present({(row.patient, row.digests[0]) for row in self._by_header if row.digests})
        known = self._access.known(shard)
        digests = dict(zip(known["name"].to_pylist(), known["digest"].to_pylist(), strict=True))
        rows = [row for row in self._cohort.of_shard(shard) if row.patient]
        images = {(pseudonym(row.patient or "", self._key), digests.get(self._files.name(row.image))) for row in rows}
        return _Present(images, frozenset(digests.values()))


def take_in(declaration: CohortDeclaration, shard: int, access: Access, barred: Barred, key: bytes) -> Intake:
    """Plan a shard of a cohort of files.

    Raises:
        DeclarationError: the root or a table cannot be read or does not fit the declaration.
    """
    cohort = cohort_rows(declaration, access.read, access.names)
    rows = cohort.of_shard(shard)
    stats = file_stats(declaration, access.stats)
    source = source_digest_of(declaration, rows, stats, access.opened)
    rows = _masked(declaration, cohort, rows, access.opened)
    files = SourceFiles(access.read, stats, _known(declaration, shard, access), declaration.root, key)
    everyone = list(people(rows, files, key, cohort.by_header))
    mine = everyone
    if cohort.by_header:
        shards = [shard_of(row.assignment, declaration.shards) for row in everyone]
        mine = [row for row, its in zip(everyone, shards, strict=True) if its == shard]
        _hand_on(everyone, shards, files, barred, access)
    read = [row if barred.holds(row) else with_digests(row, files, cohort.by_header) for row in mine]
    planned = [row for row in read if not barred.holds(row)]
    return Intake(source, planned, len(mine) - len(planned), shard, cohort, files, access, key, everyone)


def _hand_on(
    everyone: Sequence[Planned], shards: Sequence[int], files: SourceFiles, barred: Barred, access: Access
) -> None:
    """Index what was read of a cohort's files with the shards they turned out to belong to.

    A shard's own files are among them, so that a run that ends early has not read all headers in vain.
    """
    theirs: dict[int, list[SourceRow]] = defaultdict(list)
    for planned, shard in zip(everyone, shards, strict=True):
        if not barred.holds(planned):
            theirs[shard].append(planned.row)
    for shard, rows in theirs.items() if files.read_count else ():
        access.add(shard, files.index(read_files(rows, True), fresh=True))


def _masked(
    declaration: CohortDeclaration, cohort: CohortRows, rows: list[SourceRow], opened: Opened
) -> list[SourceRow]:
    if declaration.chexmask is None:
        return rows
    wanted = {row.number for row in rows}
    return [row for row in with_masks(declaration, cohort.rows, wanted, opened) if row.number in wanted]


def _known(declaration: CohortDeclaration, shard: int, access: Access) -> pa.Table:
    """Index of the shard; of every shard where only a file tells whose it is."""
    shards = range(declaration.shards) if declaration.patient_rule == "header" else [shard]
    return pa.concat_tables([INDEX.empty_table(), *map(access.known, shards)])
