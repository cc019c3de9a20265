"""Local files that are written whole or not at all, outlive a power failure, and keep other writers waiting."""

import errno
import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

# Held while a name changes, never while bytes are written; the kernel lets it go when its holder dies.
LOCK = ".lock"
LOCK_SECONDS = 60
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_local(target: Path, data: bytes) -> None:
    """Write a local file completely or not at all (temporary name, flush, rename, flush of the folder).

    Raises:
        OSError: the disk is full, or cannot be written; the file is as it was.
    """
    with temporary_beside(target, data) as temporary:
        temporary.replace(target)
    flush_folder(target.parent)


@contextmanager
def undone_on_error(targets: Iterable[Path]) -> Iterator[None]:
    """Leave files as they are now if what follows fails; those that are not there yet are gone again."""
    before = {target: target.read_bytes() if target.is_file() else None for target in targets}
    try:
        yield
    except BaseException:
        for target, data in before.items():
            if data is None:
                target.unlink(missing_ok=True)
            elif not target.is_file() or target.read_bytes() != data:
                write_local(target, data)
        raise


@contextmanager
def temporary_beside(target: Path, data: bytes) -> Iterator[Path]:
    """The bytes in a file beside the target, on the disk and ready to be renamed; gone afterwards."""
    _make_folder(target.parent)
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}"
    try:
        with _disk_errors(), temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with _disk_errors():
        folder.mkdir(exist_ok=True)
    flush_folder(folder.parent)


def flush_folder(folder: Path) -> None:
    """Bring a folder's new names to disk: after a power failure a pointer must not name a manifest that is not there.

    A renamed file is promised to be found again only once its folder is flushed, too.
    """
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep every other process and thread out that asks for the same folder.

    Raises:
        OSError: another one has held it for a minute.
    """
    try:
        with FileLock(folder / LOCK, timeout=LOCK_SECONDS):
            yield
    except Timeout:
        raise OSError(
            errno.EBUSY, f"another process has held the store's {LOCK} for a minute; see what hangs, then run again"
        ) from None


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Say of a full disk what to do."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        advice = "free some or raise the limit, then run again: finished rows are kept"
        raise OSError(error.errno, f"no space is left for the store ({os.strerror(error.errno)}); {advice}") from None
