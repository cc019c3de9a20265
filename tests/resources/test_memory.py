import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from resources import memory
from resources.memory import with_peak

MIB = 2**20
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process its peak memory")


def peak_of(mib: int) -> float | None:
    # freed again before the end: what counts is the peak, not what is left
    return with_peak(lambda: float(np.ones(mib * MIB, np.uint8).sum()))[1]


def peaks_elsewhere(mib: list[int]) -> list[float | None]:
    # A pool of multiprocessing ends its processes by SIGTERM and then waits for them; where that signal is ignored (as
    # Dagster does in a process that was started to ignore SIGINT) it may wait for ever.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(peak_of, mib))


@LINUX
def test_the_peak_is_what_was_held_though_it_was_freed_again() -> None:
    small, large = peaks_elsewhere([32, 96])
    assert small == pytest.approx(32, abs=6)
    assert large == pytest.approx(96, abs=6)


@LINUX
def test_an_earlier_larger_peak_does_not_count() -> None:
    _, after = peaks_elsewhere([96, 8])
    assert after == pytest.approx(8, abs=6)


def test_the_works_result_comes_back_where_the_system_tells_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_RESET", tmp_path / "nowhere" / "clear_refs")
    assert with_peak(lambda: "done") == ("done", None)


def test_an_error_of_the_work_is_not_taken_for_one_of_the_measurement() -> None:
    with pytest.raises(OSError, match="the disk"):
        with_peak(fail)


def fail() -> None:
    raise OSError("the disk is full")
