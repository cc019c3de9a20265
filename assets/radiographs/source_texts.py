"""What a cohort's rows are told by, its table or the names of its files, read and parsed."""

from collections.abc import Callable, Sequence

from assets.radiographs.declaration import CohortDeclaration, DeclarationError
from assets.radiographs.listing import rows_of_listing
from assets.radiographs.restriction import only_these_held_out, restrict_rows
from assets.radiographs.source_row import SourceRow
from assets.radiographs.table import rows_of, table_of

Read = Callable[[str], bytes]
Names = Callable[[], list[str]]


def source_texts(
    declaration: CohortDeclaration, read: Read, names: Names
) -> tuple[bytes | None, tuple[str, ...], bytes | None]:
    """What rows are told by: the table's bytes or all names below the root, and the file of `rows` if declared.

    Raises:
        DeclarationError: one of them cannot be read.
    """
    try:
        table = None if declaration.table is None else read(declaration.table)
        listed = tuple(names()) if table is None else ()
        return table, listed, None if declaration.rows is None else read(declaration.rows)
    except DeclarationError:
        raise
    except Exception as error:
        # Any storage library may fail here, each with errors of its own; none says what to do.
        raise unreadable(error) from error


def rows_from(
    declaration: CohortDeclaration, table: bytes | None, names: Sequence[str], only: bytes | None
) -> list[SourceRow]:
    """Rows of a cohort by what `source_texts` gave.

    Raises:
        DeclarationError: the table does not fit the declaration, or there is no image.
    """
    try:
        rows = rows_of_listing(declaration, names) if table is None else rows_of(declaration, table_of(table))
        if only is not None:
            choose = restrict_rows if declaration.rows_for == "all" else only_these_held_out
            rows = choose(rows, only.decode("utf-8").splitlines())
    except DeclarationError:
        raise
    except Exception as error:
        raise unreadable(error) from error
    if not rows:
        raise DeclarationError("no image was found; check `root`, `folders` and `pattern`")
    return rows


def unreadable(error: Exception) -> DeclarationError:
    """A root or table that cannot be read, without the words of the storage, which quote paths."""
    return DeclarationError(
        f"its root or table cannot be read ({type(error).__name__}); check `root`, `table` and, for a remote root, "
        "its credentials"
    )


def unreadable_masks(error: Exception) -> DeclarationError:
    """A published mask table that cannot be read."""
    return DeclarationError(
        f"its mask table cannot be read ({type(error).__name__}); check chexmask.table, or remove chexmask"
    )
