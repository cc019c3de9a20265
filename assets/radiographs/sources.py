"""All rows of a cohort and what they stand and fall with, whatever storage they come from."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from operator import attrgetter
from typing import BinaryIO

from assets.radiographs.cohort_rows import SILENT, cohort_rows
from assets.radiographs.declaration import CohortDeclaration, DeclarationError
from assets.radiographs.mask_table import with_published_masks
from assets.radiographs.source_row import SourceRow
from assets.radiographs.source_texts import Names, Read, rows_from, source_texts, unreadable, unreadable_masks

Opened = Callable[[str], AbstractContextManager[BinaryIO]]
# Path below the root -> bytes, and a stamp that changes with the file; an empty stamp tells nothing.
Stats = Mapping[str, tuple[int, str]]
CHUNK_BYTES = 1 << 20
NO_STAMPS = ("http://", "https://")
SAID = attrgetter(*(name for name in SourceRow.__dataclass_fields__ if name != "encoded_lungs"))


def source_rows(declaration: CohortDeclaration, read: Read, names: Names) -> list[SourceRow]:
    """Rows of a cohort of files, numbered as reasons and manifests name them.

    Args:
        declaration: of kind `files`.
        read: bytes of a file by its path below the root.
        names: paths of all files below the root.

    Raises:
        DeclarationError: the root or the table cannot be read, does not fit the declaration, or holds no image.
    """
    return rows_from(declaration, *source_texts(declaration, read, names))


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
        raise unreadable_masks(error) from error


def file_stats(declaration: CohortDeclaration, stats: Callable[[], Stats]) -> Stats:
    """Sizes and stamps of a cohort's files; none where its table can be read but its root cannot be listed.

    A file without stamp is read at every run.

    Args:
        declaration: of kind `files`.
        stats: all files below the root by their paths, or those that are needed.

    Raises:
        DeclarationError: the root cannot be read.
    """
    if declaration.table is not None and declaration.root.startswith(NO_STAMPS):
        return {}
    try:
        return stats()
    except PermissionError as error:
        if declaration.table is not None:
            return {}
        raise unreadable(error) from error
    except Exception as error:
        raise unreadable(error) from error


def source_digests(declaration: CohortDeclaration, read: Read, stats: Callable[[], Stats], opened: Opened) -> list[str]:
    """Digest of what the rows of each shard come from, without reading a file.

    It holds the declaration, the shard's rows as the table or listing gives them, and size and stamp of their files:
    it changes when rows come, go or are edited and when a file is replaced under its own name. Where only headers name
    the patients, nobody knows a row's shard without reading, and all shards share one digest of everything. Numbers of
    rows count: a file that comes in front renumbers those behind it, whose shards are stale although nothing of them is
    computed again. Else an old manifest's numbers would lead to another patient's files for good.

    Args:
        declaration: of any kind.
        read: bytes of a file by its path below the root.
        stats: size and stamp of all files below the root by path.
        opened: a file by its path below the root as a stream.

    Returns:
        One digest a shard, in their order.

    Raises:
        DeclarationError: the root or a table cannot be read or does not fit the declaration.
    """
    if declaration.kind == "phantom":
        return [_head(declaration, {}, opened).hexdigest()] * declaration.shards
    found = file_stats(declaration, stats)
    cohort = cohort_rows(declaration, read, lambda: sorted(found))
    head = _head(declaration, found, opened)
    if cohort.positions is None:
        return [_digest(head, cohort.rows, found)] * declaration.shards
    return [_digest(head, cohort.of_shard(shard), found) for shard in range(declaration.shards)]


def source_digest_of(declaration: CohortDeclaration, rows: Sequence[SourceRow], found: Stats, opened: Opened) -> str:
    """The digest that `source_digests` gives the shard of these rows.

    Args:
        declaration: of any kind.
        rows: all rows of the shard, masks of a published table not yet joined.
        found: at least the stats of the rows' files and of the published mask table.
        opened: as in `source_digests`.

    Raises:
        DeclarationError: the mask table cannot be read.
    """
    return _digest(_head(declaration, found, opened), rows, found)


def _head(declaration: CohortDeclaration, found: Stats, opened: Opened) -> "hashlib._Hash":
    """Hash of what all shards share: the declaration and its published mask table."""
    # Without defaults: a field that a later version adds changes no cohort that does not set it.
    said = declaration.model_dump(exclude=SILENT, exclude_defaults=True)
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    if declaration.chexmask is None:
        return digest
    size, stamp = found.get(declaration.chexmask.table, (0, ""))
    if stamp:
        digest.update(f"{size} {stamp}".encode())
        return digest
    try:
        with opened(declaration.chexmask.table) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except Exception as error:
        raise unreadable_masks(error) from error
    return digest


def _digest(head: "hashlib._Hash", rows: Sequence[SourceRow], found: Stats) -> str:
    digest = head.copy()
    for row in rows:
        encoded = row.encoded_lungs.digest if row.encoded_lungs else ""
        # A row that is refused has none of its files looked at, whatever path it names.
        stamps = [found.get(path) for _, path in row.files if path and not row.problem]
        digest.update(repr((SAID(row), encoded, stamps)).encode())
    return digest.hexdigest()
