import errno
import gc
import os
import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.spilled_arrays import SpilledArray, require_temporary_room
from tests.pipelines.processes import in_child


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(0, 5), max_size=5),
    st.lists(st.integers(0, 3), max_size=2),
    st.sampled_from([np.uint16, np.bool_, np.float32]),
    st.data(),
)
def test_rows_come_back_in_any_order(
    chunks: list[int], shape: list[int], dtype: type[np.generic], data: st.DataObject
) -> None:
    rng = np.random.default_rng(0)
    parts = [(rng.random((count, *shape)) * 2).astype(dtype) for count in chunks]
    spilled = SpilledArray(shape, dtype)
    for part in parts:
        spilled.append(part)
    whole = np.concatenate([np.empty((0, *shape), dtype), *parts])
    assert len(spilled) == len(whole)
    chosen = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=6) if len(whole) else st.just([]))
    found = spilled.rows(np.array(chosen, dtype=np.int64))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, whole[chosen])


def test_what_was_read_is_a_copy_and_later_rows_are_seen() -> None:
    spilled = SpilledArray((2,), np.uint16)
    spilled.append(np.array([[1, 2]], dtype=np.uint16))
    first = spilled.rows(np.array([0]))
    first[:] = 9
    spilled.append(np.array([[3, 4]], dtype=np.uint16))
    assert spilled.rows(np.array([1, 0])).tolist() == [[3, 4], [1, 2]]


def test_misfits_are_refused() -> None:
    spilled = SpilledArray((2,), np.uint16)
    with pytest.raises(ValueError, match=r"rows are \(1, 3\) uint16, expected \(N, \*\(2,\)\) uint16"):
        spilled.append(np.zeros((1, 3), dtype=np.uint16))
    with pytest.raises(ValueError, match="float32, expected"):
        spilled.append(np.zeros((1, 2), dtype=np.float32))
    spilled.append(np.zeros((1, 2), dtype=np.uint16))
    with pytest.raises(IndexError):
        spilled.rows(np.array([1]))


def test_no_folder_lists_the_file_and_its_room_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # What other tests have left to be collected.
    gc.collect()
    opened = len(os.listdir("/proc/self/fd"))
    spilled = SpilledArray((1000,), np.uint16)
    spilled.append(np.ones((50, 1000), dtype=np.uint16))
    assert spilled.rows(np.array([49])).sum() == 1000
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/proc/self/fd")) > opened
    del spilled
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == opened


def fill(folder: str) -> None:
    """Spill more than a file may hold: as on a full disk, the bytes are refused."""
    tempfile.tempdir = folder
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    spilled = SpilledArray((100,), np.uint16)
    spilled.append(np.zeros((5, 100), dtype=np.uint16))
    with pytest.raises(OSError, match="no space is left for temporary files; free some, or let TMPDIR name") as full:
        spilled.append(np.zeros((20, 100), dtype=np.uint16))
    assert full.value.errno == errno.EFBIG
    assert len(spilled) == 5
    assert spilled.rows(np.array([4])).sum() == 0


def test_a_full_disk_is_told_when_it_is_written_to(tmp_path: Path) -> None:
    assert in_child(fill, str(tmp_path)) == 0


def test_room_can_be_asked_for_before() -> None:
    require_temporary_room(1)
    with pytest.raises(OSError, match=r"temporary files needs .* let TMPDIR name a folder on a larger disk"):
        require_temporary_room(2**60)
