"""Which rows of a cohort take part, and which may be held out, by the declaration's `rows` file."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from assets.radiographs.declaration import DeclarationError
from assets.radiographs.source_row import SourceRow


def restrict_rows(rows: Sequence[SourceRow], lines: Iterable[str]) -> list[SourceRow]:
    """Rows whose image is named by a line of the declaration's `rows` file; numbers stay those of the table.

    Args:
        rows: of the whole table or listing.
        lines: image paths; blank lines and lines that start with # do not count.

    Raises:
        DeclarationError: a line names no row.
    """
    names = _named_images(rows, lines)
    return [row for row in rows if row.image in names]


def only_these_held_out(rows: Sequence[SourceRow], lines: Iterable[str]) -> list[SourceRow]:
    """All rows; patients with an image that no line of the declaration's `rows` file names are only trained on.

    Args:
        rows: of the whole table or listing.
        lines: as for `restrict_rows`.

    Raises:
        DeclarationError: a line names no row.
    """
    names = _named_images(rows, lines)
    barred = {row.assigned_by for row in rows if row.image not in names}
    return [replace(row, may_be_held_out=row.assigned_by not in barred) for row in rows]


def _named_images(rows: Sequence[SourceRow], lines: Iterable[str]) -> set[str]:
    wanted = {number: line.strip() for number, line in enumerate(lines, start=1) if line.strip()}
    wanted = {number: name for number, name in wanted.items() if not name.startswith("#")}
    known = {row.image for row in rows}
    unknown = [number for number, name in wanted.items() if name not in known]
    if unknown:
        raise DeclarationError(
            f"rows: {len(unknown)} of {len(wanted)} lines name no image of the cohort, the first is line {unknown[0]}; "
            "write image paths as the table does"
        )
    return set(wanted.values())
