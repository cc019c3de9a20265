import errno
import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from resources import local_files
from resources.local_files import LOCK, alone, undone_on_error, write_local
from resources.object_store import ObjectStore

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt])
def test_files_are_as_they_were_where_what_follows_fails(tmp_path: Path, error: type[BaseException] | None) -> None:
    changed, lost, new, same = (tmp_path / name for name in ("changed", "lost", "new", "same"))
    for path in (changed, lost, same):
        write_local(path, b"before")
    untouched = same.stat().st_ino

    def write() -> None:
        with undone_on_error([changed, lost, new, same]):
            write_local(changed, b"after")
            write_local(new, b"after")
            lost.unlink()
            if error:
                raise error

    if error is None:
        write()
        assert (changed.read_bytes(), new.read_bytes(), lost.exists()) == (b"after", b"after", False)
        return
    with pytest.raises(error):
        write()
    assert [path.read_bytes() for path in (changed, lost)] == [b"before"] * 2
    assert not new.exists()
    assert same.stat().st_ino == untouched


def test_a_crash_while_writing_leaves_the_old_object_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a"
    write_local(target, b"old")

    def crash(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        write_local(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_bytes_reach_the_disk_before_their_name_and_the_folders_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[tuple[str, list[str]]] = []
    flush = os.fsync

    def watch(descriptor: int) -> None:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        names = [item.name for item in path.iterdir()] if path.is_dir() else []
        flushed.append((str(path.relative_to(tmp_path)), names))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_local(tmp_path / "new" / "folder" / "a", b"x")
    # Each new folder's own name is flushed, then the bytes, then the name that they got.
    assert [path for path, _ in flushed[:2]] == [".", "new"]
    assert flushed[2][0].startswith("new/folder/.a.")
    assert flushed[3:] == [("new/folder", ["a"])]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_named_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    write_local(tmp_path / "a", b"old")

    def full(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"no space is left for the store .*; free some .* run again") as caught:
        write_local(tmp_path / "a", b"new")
    assert caught.value.errno == code
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]


def test_another_error_of_the_disk_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError, match=r"^.Errno 5. Input/output error$"):
        write_local(tmp_path / "a", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_limit_on_the_size_of_files_is_a_full_disk(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match="no space is left"):
            write_local(tmp_path / "a", bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_threads_enter_one_at_a_time(tmp_path: Path) -> None:
    inside, most = 0, 0

    def enter() -> None:
        nonlocal inside, most
        for _ in range(20):
            with alone(tmp_path):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def holder(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the folder's lock for ever."""
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom resources.local_files import alone\n"
        "with alone(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_killed_while_it_holds_the_lock_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(str(tmp_path))
    process = holder(tmp_path)
    try:
        monkeypatch.setattr(local_files, "LOCK_SECONDS", 0.1)
        with pytest.raises(OSError, match=f"held the store's {LOCK} .*see what hangs"):
            store.create("a", b"x")
        assert store.stamps("").keys() == {LOCK}
    finally:
        process.kill()
        process.communicate()
    assert store.create("a", b"x") == b"x"
