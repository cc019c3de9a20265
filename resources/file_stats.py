"""Size and stamp of files: what tells without reading that a file is no longer the one that was read."""

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

ETAGS = ("ETag", "etag")
WRITTEN = ("LastModified", "last_modified", "updated", "mtime")

Stat = tuple[int, str]


class LocalStats(Mapping[str, Stat]):
    """Bytes and stamp of files by their path below a local folder, asked for one by one, of what a link leads to.

    The stamp holds the times of content and inode: a copy may keep the former, and nothing sets the latter back.

    Args:
        folder: the folder; a file below it that no listing shows, such as in a linked folder, is found by its path.
        names: lists the paths below the folder; a dangling link among them has no stat.
    """

    def __init__(self, folder: str, names: Callable[[], Collection[str]]) -> None:
        self._folder, self._names = folder, names

    def __getitem__(self, name: str) -> Stat:
        try:
            known = os.stat(f"{self._folder}/{name}")
        except (OSError, ValueError):
            # Gone, or a name that no file can have: whoever reads it is told.
            raise KeyError(name) from None
        return known.st_size, f"mtime {known.st_mtime_ns} {known.st_ctime_ns}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


def remote_stat(info: Mapping[str, Any]) -> Stat:
    """Bytes and stamp by fsspec's record of an object; no stamp where the storage tells neither tag nor time."""
    size = int(info.get("size") or 0)
    tag = next((info[name] for name in ETAGS if info.get(name)), None)
    if tag is not None:
        return size, f"etag {str(tag).strip(chr(34))}"
    return size, _time_stamp(next((info[name] for name in WRITTEN if info.get(name)), None))


def _time_stamp(written: object) -> str:
    if isinstance(written, datetime):
        written = written.timestamp()
    return f"mtime {int(written * 1e9)}" if isinstance(written, int | float) else ""
