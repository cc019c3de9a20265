"""Rows of a cohort by shard, parsed once a process however many of its shards that process works on."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from assets.radiographs.declaration import CohortDeclaration
from assets.radiographs.identity import assignment
from assets.radiographs.source_row import SourceRow
from assets.radiographs.source_texts import rows_from, source_texts
from assets.radiographs.split import shard_of

# What no row hangs on; storage options may be secrets besides.
SILENT = {"title", "description", "citation", "settings", "storage_options", "variant_of"}
COHORTS_KEPT = 2


@dataclass(frozen=True)
class CohortRows:
    """All rows of a cohort of files.

    Attributes:
        rows: numbered as `source_rows` numbers them.
        positions: positions of each shard's rows; None where only a file's header names the patient.
    """

    rows: tuple[SourceRow, ...]
    positions: tuple[tuple[int, ...], ...] | None

    @property
    def by_header(self) -> bool:
        """Whether only a file's header names the patient, and with that the shard."""
        return self.positions is None

    def of_shard(self, shard: int) -> list[SourceRow]:
        """Rows that belong to a shard, or may: all of them where headers name the patients."""
        if self.positions is None:
            return list(self.rows)
        # A process that started before the cohort was declared with fewer shards may still ask for one of them.
        return [self.rows[at] for at in self.positions[shard]] if shard < len(self.positions) else []


def cohort_rows(
    declaration: CohortDeclaration, read: Callable[[str], bytes], names: Callable[[], list[str]]
) -> CohortRows:
    """Rows of a cohort, from memory where this process has parsed the same table or listing just before.

    Args:
        declaration: of kind `files`.
        read: bytes of a file by its path below the root.
        names: paths of all files below the root, sorted.

    Raises:
        DeclarationError: as `source_rows`.
    """
    table, listed, only = source_texts(declaration, read, names)
    return _parsed(declaration.model_dump_json(exclude=SILENT), table, listed, only)


@lru_cache(maxsize=COHORTS_KEPT)
def _parsed(declared: str, table: bytes | None, names: tuple[str, ...], only: bytes | None) -> CohortRows:
    declaration = CohortDeclaration.model_validate_json(declared)
    rows = rows_from(declaration, table, names, only)
    return CohortRows(tuple(rows), None if declaration.patient_rule == "header" else _by_shard(declaration, rows))


def _by_shard(declaration: CohortDeclaration, rows: list[SourceRow]) -> tuple[tuple[int, ...], ...]:
    drawn: dict[str, int] = {}
    positions: list[list[int]] = [[] for _ in range(declaration.shards)]
    for at, row in enumerate(rows):
        person = row.assigned_by
        if person not in drawn:
            drawn[person] = shard_of(assignment(person), declaration.shards)
        positions[drawn[person]].append(at)
    return tuple(map(tuple, positions))
