"""How much memory a piece of work needs at its peak, where the operating system tells."""

import ctypes
import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

R = TypeVar("R")

_STATUS = Path("/proc/self/status")
_RESET = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
_KIB_PER_MIB = 1024


def with_peak(work: Callable[[], R]) -> tuple[R, float | None]:
    """Do a piece of work and say by how much it raised the memory that this process holds, in MiB.

    The peak is that of the whole process: what other threads take meanwhile counts, too. In a process that has run
    for a while it is a lower bound, for memory that was freed before but is still held, in part at least, is used again
    unseen; for a figure to compare, measure in a fresh process.

    Returns:
        What the work returned, and the rise of the resident set over what it was before; None where the system does
        not tell (Linux does, by `VmHWM` after writing 5 to `clear_refs`; see proc(5)).
    """
    before = _reset()
    result = work()
    return result, None if before is None else max(0.0, (_status("VmHWM") - before) / _KIB_PER_MIB)


def _reset() -> int | None:
    """Set the peak back to what is held now; that in KiB, None where this cannot be done."""
    _give_back()
    try:
        _RESET.write_text(_RESET_PEAK)
        return _status("VmRSS")
    except (OSError, KeyError):
        return None


def _give_back() -> None:
    """Hand what was freed back to the system, where the C library can: else it would be used again unseen."""
    # Not the oldest objects: with Dagster and torch loaded a look at all of them takes longer than most of the work.
    gc.collect(1)
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform.startswith("linux") else None
    if trim is not None:
        trim(0)


def _status(name: str) -> int:
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines())
    return int(lines[name].split()[0])
