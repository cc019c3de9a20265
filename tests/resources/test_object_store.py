import errno
import os
import time
from pathlib import Path

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources import object_store
from resources.local_files import LOCK
from resources.object_store import ABSENT, ObjectStore, StoreConflict
from resources.storage_errors import S3_CONFIG


def temporaries(store: ObjectStore) -> list[str]:
    """Files that writers left, but for the lock."""
    return sorted(name for name in store.stamps("") if name.rpartition("/")[2].startswith(".") and name != LOCK)


def test_what_was_written_is_read(store: ObjectStore) -> None:
    store.write("a/b/c.bin", b"\x00one")
    assert store.read("a/b/c.bin") == b"\x00one"
    store.write("a/b/c.bin", b"two")
    assert store.read_or_none("a/b/c.bin") == b"two"
    store.write("empty", b"")
    assert store.read("empty") == b""


def test_a_missing_object_is_none_or_an_error(store: ObjectStore) -> None:
    assert store.read_or_none("nowhere/x") is None
    assert store.version("nowhere/x") == ABSENT
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
    store.replace("pointer", b"1", ABSENT)
    store.replace("pointer", b"2", store.version("pointer"))
    assert store.read("pointer") == b"2"
    store.replace("pointer", b"3", None)
    assert store.read("pointer") == b"3"
    assert temporaries(store) == []


def test_a_second_first_publication_is_a_conflict(store: ObjectStore) -> None:
    store.replace("pointer", b"theirs", ABSENT)
    with pytest.raises(StoreConflict, match="run again"):
        store.replace("pointer", b"ours", ABSENT)
    assert store.read("pointer") == b"theirs"
    assert temporaries(store) == []


def test_a_publication_over_a_newer_one_is_a_conflict(store: ObjectStore) -> None:
    store.replace("pointer", b"1", ABSENT)
    seen = store.version("pointer")
    store.replace("pointer", b"theirs", seen)
    with pytest.raises(StoreConflict, match="pointer"):
        store.replace("pointer", b"ours", seen)
    assert store.read("pointer") == b"theirs"


def test_a_publication_over_one_that_was_deleted_meanwhile_is_a_conflict(local_store: ObjectStore) -> None:
    local_store.replace("pointer", b"1", ABSENT)
    seen = local_store.version("pointer")
    local_store.delete("pointer")
    with pytest.raises(StoreConflict):
        local_store.replace("pointer", b"ours", seen)
    assert local_store.read_or_none("pointer") is None


@given(contents=st.lists(st.binary(max_size=20), min_size=2, max_size=2, unique=True))
@settings(max_examples=15, deadline=None)
def test_versions_differ_where_contents_do(contents: list[bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    store = ObjectStore(str(tmp_path_factory.getbasetemp() / "versions"))
    seen = []
    for content in (*contents, contents[0]):
        store.write("x", content)
        seen.append(store.version("x"))
    assert seen[0] == seen[2] != seen[1]


def test_the_first_to_create_an_object_wins(store: ObjectStore) -> None:
    assert store.create("a/b", b"first") == b"first"
    assert store.create("a/b", b"second") == b"first"
    assert store.read("a/b") == b"first"
    store.delete("a/b")
    assert store.create("a/b", b"second") == b"second"
    assert temporaries(store) == []


def test_one_who_creates_while_another_does_gets_the_others_bytes(
    local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def other_was_faster(descriptor: int) -> None:
        flush(descriptor)
        monkeypatch.undo()
        local_store.write("a", b"theirs")

    (Path(local_store.root)).mkdir()
    monkeypatch.setattr(os, "fsync", other_was_faster)
    assert local_store.create("a", b"ours") == b"theirs"
    assert local_store.read("a") == b"theirs"
    assert temporaries(local_store) == []


def answer(store: ObjectStore, error: OSError, carried_out: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let conditional requests end with an error, carried out or not."""
    fs = store._resolve("")[0]
    put = fs.pipe_file

    def pipe_file(path: str, data: bytes, **condition: str) -> None:
        if carried_out or not condition:
            put(path, data, **condition)
        if condition:
            raise error

    monkeypatch.setattr(fs, "pipe_file", pipe_file)


LATE = OSError(errno.EINVAL, "precondition failed")
THERE = FileExistsError("it exists")
BUSY = OSError(errno.EBUSY, "conflicting request")
SILENT = OSError(errno.EIO, "no answer")


@pytest.mark.parametrize("error", [LATE, BUSY, SILENT])
def test_a_pointer_whose_reply_got_lost_is_published(
    s3_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    s3_store.write("pointer", b"1")
    seen = s3_store.version("pointer")
    answer(s3_store, error, True, monkeypatch)
    s3_store.replace("pointer", b"2", seen)
    assert s3_store.read("pointer") == b"2"


@pytest.mark.parametrize("error", [BUSY, SILENT])
def test_a_pointer_that_nobody_published_is_an_error_of_the_storage(
    s3_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    s3_store.write("pointer", b"1")
    seen = s3_store.version("pointer")
    answer(s3_store, error, False, monkeypatch)
    with pytest.raises(OSError, match=str(error.strerror)):
        s3_store.replace("pointer", b"2", seen)
    assert s3_store.read("pointer") == b"1"


@pytest.mark.parametrize("error", [LATE, THERE, BUSY])
def test_an_object_whose_reply_got_lost_is_created(
    s3_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    answer(s3_store, error, True, monkeypatch)
    assert s3_store.create("a", b"x") == b"x"


@pytest.mark.parametrize("error", [BUSY, SILENT])
def test_an_object_that_nobody_created_is_an_error_of_the_storage(
    s3_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    answer(s3_store, error, False, monkeypatch)
    with pytest.raises(OSError, match=str(error.strerror)):
        s3_store.create("a", b"x")
    assert s3_store.read_or_none("a") is None


def test_a_service_is_asked_with_bounds_of_time_unless_others_are_set(
    s3_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert s3_store._resolve("")[0].config_kwargs == S3_CONFIG
    own = {"config_kwargs": {"read_timeout": 7}}
    assert ObjectStore(s3_store.root, {**s3_store.options, **own})._resolve("")[0].config_kwargs == {"read_timeout": 7}
    monkeypatch.setitem(fsspec.config.conf, "s3", own)
    assert s3_store._resolve("")[0].config_kwargs == {"read_timeout": 7}


@given(data=st.binary(max_size=3000))
@settings(max_examples=15, deadline=None)
def test_any_bytes_come_back(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    store = ObjectStore(str(tmp_path_factory.getbasetemp() / "any"))
    store.write("x", data)
    assert store.read("x") == data


def test_a_renewed_object_is_young_and_as_it_was(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_store, "RENEWED_AFTER_SECONDS", -1.0)
    store.write("a", b"one")
    before, tag = store.stamps("")["a"][1], store.version("a")
    if store.is_local:
        os.utime(Path(store.root) / "a", (5.0, 5.0))
        before = 5.0
    else:
        # S3 tells whole seconds.
        time.sleep(1.1)
    assert store.renew("a", b"one")
    assert store.stamps("")["a"][1] > before
    assert (store.read("a"), store.version("a")) == (b"one", tag)


def test_an_object_that_is_gone_is_not_brought_back(store: ObjectStore) -> None:
    store.write("other", b"x")
    assert not store.renew("a", b"one")
    assert store.read_or_none("a") is None


def test_a_remote_object_is_not_written_again_within_the_hour(s3_store: ObjectStore) -> None:
    s3_store.write("a", b"one")
    assert s3_store.renew("a", b"never written")
    assert s3_store.read("a") == b"one"


def test_a_remote_object_that_is_removed_while_it_is_renewed_is_not_brought_back(
    s3_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(object_store, "RENEWED_AFTER_SECONDS", -1.0)
    s3_store.write("a", b"one")
    put = ObjectStore._put_if

    def late(self: ObjectStore, path: str, data: bytes, expected: str) -> None:
        self.delete(path)
        put(self, path, data, expected)

    monkeypatch.setattr(ObjectStore, "_put_if", late)
    assert not s3_store.renew("a", b"one")
    assert s3_store.read_or_none("a") is None


def test_another_users_file_is_replaced(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    local_store.write("a", b"one")
    os.utime(Path(local_store.root) / "a", (5.0, 5.0))

    def refuse(path: str) -> None:
        raise PermissionError(errno.EPERM, "not yours")

    monkeypatch.setattr(os, "utime", refuse)
    assert local_store.renew("a", b"one")
    assert local_store.stamps("")["a"][1] > 5.0
