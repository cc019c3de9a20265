"""Rows of arrays that are too many for memory, in a temporary file without a name.

No folder lists the file, so when its process ends, however it ends, the system frees it and no pixels are left behind.
"""

import errno
import math
import tempfile
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from resources.free_space import require_room

_REMEDY = "free some, or let TMPDIR name a folder on a larger disk, then run again"


class SpilledArray:
    """Rows of one shape and type on the disk; they are written in order and read in any.

    The file lies where `tempfile` puts them (`TMPDIR` decides). Threads may read side by side once all is written.

    Args:
        shape: of one row.
        dtype: of its values.
    The disk space is given back when nothing refers to the object any more.
    """

    def __init__(self, shape: Sequence[int], dtype: npt.DTypeLike) -> None:
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)
        # Unbuffered: what a full disk refuses is refused at once, and not when the file is closed.
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed with this object)
        weakref.finalize(self, self._file.close)
        self._count = 0
        self._mapped: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        """Number of rows written."""
        return self._count

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Write rows (N, *shape) behind those that are there.

        Raises:
            ValueError: rows are of another shape or type.
            OSError: the disk is full.
        """
        if rows.shape[1:] != self.shape or rows.dtype != self.dtype:
            raise ValueError(f"rows are {rows.shape} {rows.dtype}, expected (N, *{self.shape}) {self.dtype}")
        left = memoryview(np.ascontiguousarray(rows).tobytes())
        while left:
            left = left[self._write(left) :]
        self._count += len(rows)
        self._mapped = None

    def rows(self, indices: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """Copies of some rows, (N, *shape), in the order of their indices.

        Raises:
            IndexError: there is no such row.
        """
        if self._mapped is None:
            whole = (self._count, *self.shape)
            self._mapped = np.memmap(self._file, self.dtype, "r", shape=whole) if math.prod(whole) else np.empty(whole)
        chosen: npt.NDArray[Any] = np.asarray(self._mapped[indices], dtype=self.dtype)
        return chosen

    def _write(self, data: memoryview) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise OSError(error.errno, f"no space is left for temporary files; {_REMEDY}") from None


def require_temporary_room(needed: int) -> None:
    """Find out before a long work that temporary files of `needed` bytes will fit.

    Raises:
        OSError: they will not.
    """
    require_room(Path(tempfile.gettempdir()), needed, "what is kept in temporary files", _REMEDY)
