"""All rows of a cohort, from its table or its listing, whatever storage they come from."""

import hashlib
import json
from collections.abc import Callable

from assets.radiographs.declaration import CohortDeclaration, DeclarationError
from assets.radiographs.table import SourceRow, restrict_rows, rows_of, rows_of_listing, table_of


def source_rows(
    declaration: CohortDeclaration, read: Callable[[str], bytes], names: Callable[[], list[str]]
) -> list[SourceRow]:
    """Rows of a cohort of files, numbered as reasons and manifests name them.

    Args:
        declaration: of kind `files`.
        read: bytes of a file by its path below the root.
        names: paths of all files below the root.

    Raises:
        DeclarationError: the root or the table cannot be read, does not fit the declaration, or holds no image.
    """
    try:
        rows = rows_of_listing(declaration, names()) if declaration.table is None else _table(declaration, read)
        if declaration.rows is not None:
            rows = restrict_rows(rows, read(declaration.rows).decode("utf-8").splitlines())
    except DeclarationError:
        raise
    except Exception as error:
        # Any storage library may fail here, each with errors of its own; none says what to do.
        raise _unreadable(error) from error
    if not rows:
        raise DeclarationError("no image was found; check `root`, `folders` and `pattern`")
    return rows


def source_digest(declaration: CohortDeclaration, read: Callable[[str], bytes], names: Callable[[], list[str]]) -> str:
    """Digest of what a cohort's rows come from: its declaration and its table, or the names of its files.

    It tells cheaply that rows came, went or were edited; a file replaced under its own name is only seen by a run.

    Args:
        declaration: of any kind.
        read: as in `source_rows`.
        names: as in `source_rows`.

    Raises:
        DeclarationError: the root or the table cannot be read.
    """
    said = declaration.model_dump(exclude={"title", "description", "citation", "settings", "storage_options"})
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    if declaration.kind == "files":
        try:
            listed = declaration.table is None
            digest.update("\0".join(names()).encode() if listed else read(declaration.table or ""))
            digest.update(read(declaration.rows) if declaration.rows else b"")
        except Exception as error:
            raise _unreadable(error) from error
    return digest.hexdigest()


def _unreadable(error: Exception) -> DeclarationError:
    return DeclarationError(
        f"its root or table cannot be read ({type(error).__name__}); check `root`, `table` and, for a remote root, "
        "its credentials"
    )


def _table(declaration: CohortDeclaration, read: Callable[[str], bytes]) -> list[SourceRow]:
    return rows_of(declaration, table_of(read(declaration.table or "")))
