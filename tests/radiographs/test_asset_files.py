"""Which files a run reads, and what one that cannot be read does to the rows and to the run."""

import errno
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from assets.radiographs import asset_todo, source_files
from assets.radiographs.declaration import parse_declaration
from assets.radiographs.sources import source_digests
from resources import failures, stage_run
from resources.failures import STORAGE_RETRIES
from resources.object_store import ObjectStore
from tests.radiographs.files_bench import OTHER, SHARDED, Bench, dicom, patient_of, png, status


def test_only_changed_files_are_read_again(bench: Bench, reads: list[str]) -> None:
    rows = [("a.png", "p1"), ("b.png", "p2")]
    bench.write(OTHER, *rows, **{"a.png": png(1), "b.png": png(2)})
    first = bench.run("quex/0")
    assert sorted(reads) == ["a.png", "a.png", "b.png", "b.png"]
    reads.clear()
    assert bench.run("quex/0") == first
    assert reads == []
    bench.write(OTHER, *rows, **{"b.png": png(3)})
    second = bench.run("quex/0")
    assert reads == ["b.png", "b.png"]
    assert second[0] == first[0]
    assert second[1]["key"] != first[1]["key"]
    assert bench.pointer("quex/0")["computed"] == 1


@pytest.mark.parametrize("spoil", [lambda path: path.unlink(), lambda path: path.write_bytes(b"no index")])
def test_a_lost_or_garbled_index_only_costs_reading(
    bench: Bench, reads: list[str], spoil: Callable[[Path], None]
) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    first = bench.run("quex/0")
    (index,) = bench.store.find("stages/radiographs/quex/0/sources")
    spoil(Path(bench.store.root) / index)
    reads.clear()
    assert bench.run("quex/0") == first
    assert reads == ["a.png"]
    assert bench.store.find("stages/radiographs/quex/0/sources") == {index}


def test_a_file_as_young_as_the_run_is_read_again(
    bench: Bench, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_files, "CLOCK_TICK_NS", 3600 * 10**9)
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    bench.run("quex/0")
    assert bench.store.find("stages/radiographs/quex/0/sources") == set()
    reads.clear()
    bench.run("quex/0")
    assert reads == ["a.png"]


def test_a_file_that_changes_between_digest_and_decoding_fails_and_is_read_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    whole, seen = ObjectStore.read, []

    def changing(self: ObjectStore, path: str) -> bytes:
        if path == "a.png":
            seen.append(path)
            return png(len(seen))
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", changing)
    (row,) = bench.run("quex/0")
    assert (row["status"], row["radiograph_id"]) == ("failed", None)
    assert "changed while it was being read" in row["reason"]
    monkeypatch.setattr(ObjectStore, "read", whole)
    (row,) = bench.run("quex/0", **{stage_run.RETRY_TAG: "true"})
    assert row["status"] == "ok"


def test_a_header_file_whose_row_failed_stays_in_no_index(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was handed on to the run's own shard before its rows were decoded goes, too."""
    bench.changed[SHARDED] = {"patient_from": "header", "columns": {}}
    bench.write(SHARDED, ("a.dcm", ""), **{"a.dcm": dicom(1, patient_of(1))})
    whole, seen = ObjectStore.read, []

    def changing(self: ObjectStore, path: str) -> bytes:
        if path == "a.dcm":
            seen.append(path)
            return dicom(len(seen), patient_of(1))
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", changing)
    assert status(bench.run(f"{SHARDED}/1")) == {1: "failed"}
    assert bench.store.find(f"stages/radiographs/{SHARDED}/1/sources") == set()
    monkeypatch.setattr(ObjectStore, "read", whole)
    assert status(bench.run(f"{SHARDED}/1", **{stage_run.RETRY_TAG: "true"})) == {1: "ok"}


def failing(monkeypatch: pytest.MonkeyPatch, name: str, error: OSError, after: int = 0, times: int = 1) -> list[str]:
    """Let a source file's readings fail, the first ones left out; what was tried."""
    monkeypatch.setattr(failures, "STORAGE_WAIT_SECONDS", 0)
    whole, tried = ObjectStore.read, []

    def read(self: ObjectStore, path: str) -> bytes:
        if path == name:
            tried.append(path)
            if after < len(tried) <= after + times:
                raise error
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", read)
    return tried


# A file is read for its digest, then to be decoded.
@pytest.mark.parametrize("after", [0, 1], ids=["digest", "decoding"])
@pytest.mark.parametrize("by", ["table", "header"])
def test_a_storage_that_does_not_answer_sets_no_row_aside(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, after: int, by: str
) -> None:
    if by == "header":
        bench.changed[OTHER] = {"patient_from": "header", "columns": {}}
    bench.write(OTHER, ("a.dcm", "p1"), **{"a.dcm": dicom(1, "p1")})
    tried = failing(monkeypatch, "a.dcm", TimeoutError(errno.ETIMEDOUT, "timed out", "/data/doe_jane.dcm"), after)
    assert status(bench.run("quex/0")) == {1: "ok"}
    assert len(tried) > 2


def test_a_storage_that_stays_silent_fails_the_run_and_names_no_file(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    tried = failing(monkeypatch, "a.png", OSError(errno.EIO, "no answer", "/data/doe_jane.png"), times=99)
    with pytest.raises(dg.DagsterError, match="max_retries"):
        bench.run("quex/0")
    assert len(tried) == 1 + STORAGE_RETRIES
    failed = bench.store.read("stages/radiographs/quex/0/FAILED.json").decode()
    assert "see that it answers" in failed
    assert "doe_jane" not in failed


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "x"),
        PermissionError(errno.EACCES, "x"),
        IsADirectoryError(errno.EISDIR, "x"),
        OSError("image file is truncated"),
    ],
)
@pytest.mark.parametrize("after", [0, 1], ids=["digest", "decoding"])
def test_a_missing_or_forbidden_file_is_its_rows_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, error: OSError, after: int
) -> None:
    bench.write(OTHER, ("a.png", "p1"), ("b.png", "p2"), **{"a.png": png(1), "b.png": png(2)})
    failing(monkeypatch, "a.png", error, after, times=99)
    rows = bench.run("quex/0")
    assert status(rows) == {1: "failed" if after else "rejected", 2: "ok"}
    assert type(error).__name__ in rows[0]["reason"]


def test_a_decoders_own_error_is_its_rows_fault(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(*arguments: object) -> None:
        raise OSError(errno.EIO, "decoder")

    monkeypatch.setattr(asset_todo, "ingest", spoilt)
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    assert status(bench.run("quex/0")) == {1: "failed"}


@pytest.mark.parametrize("times", [1, 99])
def test_a_table_is_asked_for_again_before_the_declaration_is_blamed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    tried = failing(monkeypatch, "t.csv", ConnectionRefusedError(errno.ECONNREFUSED, "x"), times=times)
    if times == 1:
        assert status(bench.run("quex/0")) == {1: "ok"}
        return
    with pytest.raises(dg.Failure, match=r"its root or table cannot be read \(ConnectionRefusedError\); check `root`"):
        bench.run("quex/0")
    assert len(tried) == 1 + STORAGE_RETRIES


def test_a_missing_table_is_asked_for_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.write(OTHER, ("a.png", "p1"), **{"a.png": png(1)})
    tried = failing(monkeypatch, "t.csv", FileNotFoundError(errno.ENOENT, "x"))
    with pytest.raises(dg.Failure, match="check `root`"):
        bench.run("quex/0")
    assert len(tried) == 1


def test_the_recorded_source_is_the_shards_own(bench: Bench) -> None:
    rows = [(f"{shard}.png", patient_of(shard)) for shard in range(3)]
    bench.write(SHARDED, *rows, **{f"{shard}.png": png(shard) for shard in range(3)})
    source = ObjectStore(str(bench.root(SHARDED)))
    declaration = parse_declaration(bench.declaration(SHARDED))

    def now() -> list[str]:
        return source_digests(declaration, source.read, lambda: source.stats(""), source.open)

    for shard in range(3):
        bench.run(f"{SHARDED}/{shard}")
    assert [bench.pointer(f"{SHARDED}/{shard}")["source"] for shard in range(3)] == now()
    before = now()
    bench.write(SHARDED, *rows, **{"1.png": png(9)})
    # The stamp of the table is none of a row's.
    assert [one == other for one, other in zip(before, now(), strict=True)] == [True, False, True]


def test_names_that_no_file_can_have_or_no_listing_shows_are_told_alike(bench: Bench) -> None:
    names = ["a.png", "x" * 999 + ".png", "../t.csv", "a.png/below.png", "linked/b.png", ".c.png"]
    (bench.folder / "elsewhere").mkdir()
    (bench.folder / "elsewhere" / "b.png").write_bytes(png(2))
    bench.root(OTHER).mkdir()
    (bench.root(OTHER) / "linked").symlink_to(bench.folder / "elsewhere")
    bench.write(OTHER, *((name, f"p{n}") for n, name in enumerate(names)), **{"a.png": png(1), ".c.png": png(3)})
    rows = bench.run("quex/0")
    assert status(rows) == {1: "ok", 2: "rejected", 3: "rejected", 4: "rejected", 5: "ok", 6: "ok"}
    assert "image file cannot be read" in rows[1]["reason"]
    source = ObjectStore(str(bench.root(OTHER)))
    declaration = parse_declaration(bench.declaration(OTHER))
    now = source_digests(declaration, source.read, lambda: source.stats(""), source.open)
    assert now == [bench.pointer("quex/0")["source"]]


def test_sources_on_s3_are_indexed_by_their_tags(
    bench: Bench, s3_store: ObjectStore, s3_endpoint: str, reads: list[str]
) -> None:
    options = {"key": "x", "secret": "x", "endpoint_url": s3_endpoint}
    bench.changed[OTHER] = {"root": s3_store.root, "storage_options": options}
    s3_store.write("t.csv", b"image,label,patient\na.png,normal,p1\n")
    s3_store.write("a.png", png(1))
    first = bench.run("quex/0")
    reads.clear()
    assert bench.run("quex/0") == first
    assert reads == []
    s3_store.write("a.png", png(2))
    assert bench.run("quex/0")[0]["file_digest"] != first[0]["file_digest"]
