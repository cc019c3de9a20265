import errno
import os
import time
from pathlib import Path

import fsspec
import pytest

from resources.local_files import LOCK
from resources.local_listing import local_files, stamp_of
from resources.object_store import ObjectStore


def test_it_finds_what_fsspec_finds(tmp_path: Path) -> None:
    for name in ("a", "x/b", "x/y/.c", "x/y z/d é"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "x")
    (tmp_path / "broken").symlink_to(tmp_path / "nothing")
    found = local_files(str(tmp_path))
    assert set(found) == set(fsspec.filesystem("file").find(str(tmp_path)))
    os.utime(tmp_path / "a", (5.0, 7.5))
    assert stamp_of(found[str(tmp_path / "a")]) == (1, 7.5)


@pytest.mark.parametrize("folder", ["nothing", "file"])
def test_where_there_is_no_folder_there_is_no_file(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert local_files(str(tmp_path / folder)) == {}


def test_a_file_that_is_removed_meanwhile_has_no_stamp(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    (entry,) = local_files(str(tmp_path)).values()
    (tmp_path / "a").unlink()
    assert stamp_of(entry) is None


def test_a_store_tells_size_and_time_of_all_that_lies_in_it(store: ObjectStore) -> None:
    began = time.time()
    for path in ("a/b", "a/.c", "d"):
        store.write(path, path.encode())
    stamps = store.stamps("")
    assert {path: size for path, (size, _) in stamps.items() if path != LOCK} == {"a/b": 3, "a/.c": 4, "d": 1}
    # S3 tells whole seconds.
    assert all(began - 2 < written < time.time() + 2 for _, written in stamps.values())
    assert set(store.stamps("a")) == {"a/b", "a/.c"}
    assert store.stamps("nothing") == {}


def test_a_folder_below_that_may_not_be_read_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/b", "lost+found/c"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"")
    scandir = os.scandir

    def refused(path: str) -> object:
        if path.endswith("lost+found"):
            raise PermissionError(errno.EACCES, "not yours")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert set(local_files(str(tmp_path))) == {str(tmp_path / "a" / "b")}
    with pytest.raises(PermissionError):
        local_files(str(tmp_path / "lost+found"))
