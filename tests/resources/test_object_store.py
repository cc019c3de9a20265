import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.object_store import ObjectStore, StoreConflict, write_local


def test_what_was_written_is_read(store: ObjectStore) -> None:
    store.write("a/b/c.bin", b"\x00one")
    assert store.read("a/b/c.bin") == b"\x00one"
    store.write("a/b/c.bin", b"two")
    assert store.read_or_none("a/b/c.bin") == b"two"
    store.write("empty", b"")
    assert store.read("empty") == b""


def test_a_missing_object_is_none_or_an_error(store: ObjectStore) -> None:
    assert store.read_or_none("nowhere/x") is None
    assert store.version("nowhere/x") is None
    with pytest.raises(FileNotFoundError):
        store.read("nowhere/x")


def test_an_object_is_read_in_passing(store: ObjectStore) -> None:
    store.write("table.csv", b"one\ntwo\nthree")
    with store.open("table.csv") as stream:
        assert (stream.readline(), stream.read(4), stream.read()) == (b"one\n", b"two\n", b"three")
    assert stream.closed
    with pytest.raises(FileNotFoundError), store.open("nowhere/x"):
        raise AssertionError


def test_find_names_all_objects_below_a_folder_and_no_others(store: ObjectStore) -> None:
    for path in ("rows/1/a", "rows/2/deep/b", "rows2/c", "d"):
        store.write(path, b"x")
    assert store.find("rows") == {"rows/1/a", "rows/2/deep/b"}
    assert store.find("") == {"rows/1/a", "rows/2/deep/b", "rows2/c", "d"}
    assert store.find("nothing") == set()


def test_find_leaves_out_what_a_killed_writer_left(store: ObjectStore) -> None:
    store.write("rows/a", b"x")
    store.write("rows/.a.0123", b"half")
    assert store.find("rows") == {"rows/a"}


def test_find_sees_what_another_process_wrote_meanwhile(store: ObjectStore) -> None:
    other = ObjectStore(store.root, dict(store.options))
    store.write("rows/a", b"x")
    assert store.find("rows") == {"rows/a"}
    other.write("rows/b", b"x")
    assert store.find("rows") == {"rows/a", "rows/b"}


def test_delete_removes_one_object_and_bears_a_missing_one(store: ObjectStore) -> None:
    store.write("a", b"x")
    store.write("b", b"x")
    store.delete("a")
    store.delete("a")
    store.delete("never/there")
    assert store.find("") == {"b"}


def test_uri_is_the_full_address(store: ObjectStore) -> None:
    assert store.uri("a/b") == f"{store.root}/a/b"
    assert ObjectStore(store.root + "/", store.options).uri("a/b") == f"{store.root}/a/b"


def test_only_a_folder_of_this_machine_is_local(local_store: ObjectStore, s3_store: ObjectStore) -> None:
    assert local_store.is_local
    assert ObjectStore(f"file://{local_store.root}").is_local
    assert not s3_store.is_local


def test_a_pointer_is_replaced_when_nobody_else_did(store: ObjectStore) -> None:
    store.replace("pointer", b"1", None)
    store.replace("pointer", b"2", store.version("pointer"))
    assert store.read("pointer") == b"2"


def test_a_second_first_publication_on_s3_is_a_conflict(s3_store: ObjectStore) -> None:
    s3_store.replace("pointer", b"theirs", None)
    with pytest.raises(StoreConflict, match="run again"):
        s3_store.replace("pointer", b"ours", None)
    assert s3_store.read("pointer") == b"theirs"


def test_a_publication_on_s3_over_a_newer_one_is_a_conflict(s3_store: ObjectStore) -> None:
    s3_store.replace("pointer", b"1", None)
    seen = s3_store.version("pointer")
    s3_store.replace("pointer", b"theirs", seen)
    with pytest.raises(StoreConflict, match="pointer"):
        s3_store.replace("pointer", b"ours", seen)
    assert s3_store.read("pointer") == b"theirs"


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


def test_a_write_reaches_the_disk_before_its_name_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names_at_flush: list[list[str]] = []
    flush = os.fsync

    def watch(descriptor: int) -> None:
        names_at_flush.append([path.name for path in tmp_path.iterdir()])
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    write_local(tmp_path / "a", b"x")
    assert len(names_at_flush) == 1
    assert "a" not in names_at_flush[0]


@given(data=st.binary(max_size=3000))
@settings(max_examples=15, deadline=None)
def test_any_bytes_come_back(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = ObjectStore(str(tmp_path_factory.getbasetemp() / "any"))
    store.write("x", data)
    assert store.read("x") == data
