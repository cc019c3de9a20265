import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
import pytest

from resources.file_stats import LocalStats, remote_stat
from resources.object_store import ObjectStore


def test_stats_tell_a_written_object_from_the_one_before(store: ObjectStore) -> None:
    store.write("a/one", b"12345")
    store.write("b/two", b"1")
    before = dict(store.stats(""))
    assert {name: size for name, (size, _) in before.items()} == {"a/one": 5, "b/two": 1}
    assert store.stats("") == before
    store.write("a/one", b"54321")
    after = store.stats("")
    assert after["a/one"][0] == 5
    assert after["a/one"][1] != before["a/one"][1]
    assert after["b/two"] == before["b/two"]


def test_stats_of_a_folder_and_of_some_paths(store: ObjectStore) -> None:
    for name in ("a/one", "a/two", "ab/three", "a/.hidden"):
        store.write(name, b"x")
    everything = store.stats("")
    assert set(everything) == {"a/one", "a/two", "ab/three"}
    assert set(store.stats("a")) == {"a/one", "a/two"}
    assert everything.get("a/two") == dict(everything)["a/two"]
    assert everything.get("gone") is everything.get("a/one/below") is None
    assert len(everything) == 3
    assert store.stats("nothing here") == {}


def test_stamps_are_of_the_declared_forms(local_store: ObjectStore, s3_store: ObjectStore) -> None:
    for store, kind in ((local_store, "mtime"), (s3_store, "etag")):
        store.write("one", b"x")
        assert store.stats("")["one"][1].split()[0] == kind


def test_a_file_put_in_place_with_size_and_time_of_the_old_one_is_told_apart(local_store: ObjectStore) -> None:
    local_store.write("one", b"old")
    path = Path(local_store.root) / "one"
    known = path.stat()
    before = dict(local_store.stats(""))
    local_store.write("one", b"new")
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    assert path.stat().st_mtime_ns == known.st_mtime_ns
    assert local_store.stats("") != before


def test_a_link_is_as_the_file_it_leads_to(local_store: ObjectStore, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"1234")
    local_store.write("beside", b"x")
    (Path(local_store.root) / "link").symlink_to(target)
    before = local_store.stats("")["link"]
    assert before[0] == 4
    target.write_bytes(b"4321")
    assert local_store.stats("")["link"] != before
    target.unlink()
    assert set(local_store.stats("")) == {"beside", "link"}
    assert local_store.stats("").get("link") is None


def test_a_file_in_a_linked_folder_is_found_by_its_path(local_store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "one").write_bytes(b"123")
    local_store.write("beside", b"x")
    (Path(local_store.root) / "linked").symlink_to(tmp_path / "elsewhere")
    assert local_store.stats("")["linked/one"][0] == 3


def test_a_storage_that_tells_no_time_gives_empty_stamps() -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/stats/one", b"123")
    try:
        assert ObjectStore("memory://stats").stats("") == {"one": (3, "")}
    finally:
        memory.rm("/stats", recursive=True)


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ({"size": 3, "ETag": '"abc"', "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}, (3, "etag abc")),
        ({"size": 3, "LastModified": datetime(2026, 1, 1, tzinfo=UTC)}, (3, "mtime 1767225600000000000")),
        ({"size": 3, "mtime": 2}, (3, "mtime 2000000000")),
        ({"size": 3, "updated": "2026-01-01"}, (3, "")),
        ({"size": None}, (0, "")),
    ],
)
def test_tags_go_before_times(info: dict[str, Any], expected: tuple[int, str]) -> None:
    assert remote_stat(info) == expected


def test_local_times_are_in_whole_nanoseconds(tmp_path: Path) -> None:
    path = tmp_path / "one"
    path.write_bytes(b"x")
    os.utime(path, ns=(1, 1_700_000_000_123_456_789))
    stats = LocalStats(str(tmp_path), list)
    assert stats["one"] == (1, f"mtime 1700000000123456789 {path.stat().st_ctime_ns}")
    for name in ("gone", "x" * 999, "nul\0", "one/below"):
        assert name not in stats
