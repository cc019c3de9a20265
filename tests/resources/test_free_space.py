import errno
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.free_space import mebibytes, require_room


def test_room_is_looked_for_where_the_folder_will_be(tmp_path: Path) -> None:
    require_room(tmp_path / "not" / "there" / "yet", 1, "a test")
    too_much = shutil.disk_usage(tmp_path).free + 2**40
    with pytest.raises(OSError, match=r"a test needs \d+ MiB, but \d+ MiB are left; free some and run again") as full:
        require_room(tmp_path / "not" / "there" / "yet", too_much, "a test")
    assert full.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match="take another disk"):
        require_room(tmp_path, too_much, "a test", "take another disk")


@given(st.integers(0, 2**60))
def test_mebibytes_are_rounded_up(count: int) -> None:
    assert (mebibytes(count) - 1) * 2**20 < count <= mebibytes(count) * 2**20
