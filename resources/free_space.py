"""Whether a disk has room for what a long work will write, found out before it begins."""

import errno
import shutil
from pathlib import Path


def require_room(folder: Path, needed: int, what: str, remedy: str = "free some and run again") -> None:
    """Find out that `needed` bytes will fit below a folder, which need not exist yet.

    Args:
        folder: where they will be written.
        needed: bytes.
        what: what needs them, for the error.
        remedy: what to do, for the error.

    Raises:
        OSError: they will not fit.
    """
    there = next(each for each in (folder, *folder.parents) if each.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise OSError(
            errno.ENOSPC, f"{what} needs {mebibytes(needed)} MiB, but {mebibytes(free)} MiB are left; {remedy}"
        )


def mebibytes(count: int) -> int:
    """Bytes in MiB, rounded up."""
    return -(-count // 2**20)
