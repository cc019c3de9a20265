"""All rows of a cohort, from its table or its listing, whatever storage they come from."""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO

from assets.radiographs.declaration import CohortDeclaration, DeclarationError
from assets.radiographs.mask_table import with_published_masks
from assets.radiographs.table import SourceRow, restrict_rows, rows_of, rows_of_listing, table_of

Opened = Callable[[str], AbstractContextManager[BinaryIO]]
CHUNK_BYTES = 1 << 20


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


def with_masks(
    declaration: CohortDeclaration, rows: Sequence[SourceRow], wanted: Collection[int], opened: Opened
) -> list[SourceRow]:
    """Rows with the masks of the cohort's published table, as they are where it declares none.

    Args:
        declaration: of kind `files`.
        rows: all rows, from `source_rows`.
        wanted: numbers of the rows whose masks are needed.
        opened: a file by its path below the root, read in passing since such a table may have gigabytes.

    Raises:
        DeclarationError: the mask table cannot be read or fits no image.
    """
    if declaration.chexmask is None:
        return list(rows)
    try:
        with opened(declaration.chexmask.table) as stream:
            return with_published_masks(rows, wanted, declaration.chexmask, stream)
    except DeclarationError:
        raise
    except Exception as error:
        raise _unreadable_masks(error) from error


def source_digest(
    declaration: CohortDeclaration,
    read: Callable[[str], bytes],
    names: Callable[[], list[str]],
    opened: Opened,
) -> str:
    """Digest of what a cohort's rows come from: its declaration and its tables, or the names of its files.

    It tells cheaply that rows came, went or were edited; a file replaced under its own name is only seen by a run.

    Args:
        declaration: of any kind.
        read: as in `source_rows`.
        names: as in `source_rows`.
        opened: as in `with_masks`.

    Raises:
        DeclarationError: the root or a table cannot be read.
    """
    silent = {"title", "description", "citation", "settings", "storage_options"}
    # Without defaults: a field that a later version adds changes no cohort that does not set it.
    said = declaration.model_dump(exclude=silent, exclude_defaults=True)
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    if declaration.kind == "files":
        try:
            listed = declaration.table is None
            digest.update("\0".join(names()).encode() if listed else read(declaration.table or ""))
            digest.update(read(declaration.rows) if declaration.rows else b"")
        except Exception as error:
            raise _unreadable(error) from error
    if declaration.chexmask is not None:
        try:
            with opened(declaration.chexmask.table) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    digest.update(chunk)
        except Exception as error:
            raise _unreadable_masks(error) from error
    return digest.hexdigest()


def _unreadable(error: Exception) -> DeclarationError:
    return DeclarationError(
        f"its root or table cannot be read ({type(error).__name__}); check `root`, `table` and, for a remote root, "
        "its credentials"
    )


def _unreadable_masks(error: Exception) -> DeclarationError:
    return DeclarationError(
        f"its mask table cannot be read ({type(error).__name__}); check chexmask.table, or remove chexmask"
    )


def _table(declaration: CohortDeclaration, read: Callable[[str], bytes]) -> list[SourceRow]:
    return rows_of(declaration, table_of(read(declaration.table or "")))
