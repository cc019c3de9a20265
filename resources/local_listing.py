"""Files below a local folder, several times as fast as fsspec lists them: a large cohort waits for its listings."""

import os
from contextlib import suppress


def local_files(folder: str) -> dict[str, os.DirEntry[str]]:
    """Entries of all files below a folder by path with forward slashes; none where there is no folder.

    A link is a file, whatever it leads to. A folder that another process removes meanwhile is none, and below the
    folder itself neither is one that may not be read, such as `lost+found`.

    Raises:
        PermissionError: the folder itself may not be read.
    """
    found: dict[str, os.DirEntry[str]] = {}
    waiting = [folder]
    while waiting:
        path = waiting.pop()
        refused = () if path == folder else (PermissionError,)
        with suppress(FileNotFoundError, NotADirectoryError, *refused), os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    found[entry.path.replace(os.sep, "/")] = entry
    return found


def stamp_of(entry: os.DirEntry[str]) -> tuple[int, float] | None:
    """Bytes and time of writing (s since 1970) of a file, None where another process has removed it meanwhile."""
    try:
        known = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    return known.st_size, known.st_mtime
