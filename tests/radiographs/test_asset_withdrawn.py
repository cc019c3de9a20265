"""Who withdrew stays out."""

import pytest

from assets.radiographs.identity import pseudonym
from resources.manifests import table_from
from resources.tombstones import Tombstone, write_tombstone
from tests.conftest import KEY
from tests.radiographs.files_bench import OTHER, SHARDED, Bench, dicom, patient_of, png


def withdraw(bench: Bench, patient: str, **what: tuple[str, ...]) -> None:
    stone = Tombstone(patient=patient, withdrawn_at="2026-01-01T00:00:00+00:00")
    write_tombstone(bench.store, stone.model_copy(update=what))


def held(bench: Bench) -> bytes:
    """All that lies with the shard, Parquet as text."""
    found = b""
    for path in bench.store.find("stages/radiographs/quex/0"):
        data = bench.store.read(path)
        found += path.encode() + data
        if path.endswith(".parquet"):
            found += repr(table_from(data).to_pylist()).encode()
    return found


@pytest.mark.parametrize("by", ["patient", "files", "radiographs"])
def test_nothing_of_a_withdrawn_patient_comes_in(bench: Bench, by: str) -> None:
    rows = [("a.png", "p1"), ("b.png", "p2"), ("c.png", "p2")]
    files = {"a.png": png(1), "b.png": png(2), "c.png": png(3)}
    bench.write(OTHER, *rows, **files)
    known = {row["row"]: row for row in bench.run("quex/0")}
    theirs = [known[2], known[3]]
    for path in bench.store.find(""):
        bench.store.delete(path)
    if by == "patient":
        withdraw(bench, patient=known[2]["patient"])
    else:
        column = {"files": "file_digest", "radiographs": "radiograph_id"}[by]
        withdraw(bench, "0" * 24, **{by: tuple(row[column] for row in theirs)})
    for _ in range(2):
        assert bench.run("quex/0") == [known[1]]
        assert bench.told("withdrawn") == 2
        stored = held(bench)
        for row in theirs:
            for column in ("patient", "radiograph_id", "file_digest", "key"):
                assert row[column].encode() not in stored
        assert known[1]["file_digest"].encode() in stored


def test_withdrawn_headers_leave_no_trace_in_any_index(bench: Bench) -> None:
    bench.changed[SHARDED] = {"patient_from": "header", "columns": {}}
    files = {f"{n}.dcm": dicom(n, patient_of(n)) for n in range(3)}
    bench.write(SHARDED, *((name, "") for name in files), **files)
    gone = pseudonym(patient_of(1), KEY.encode())
    withdraw(bench, patient=gone)
    found = [bench.run(f"{SHARDED}/{shard}") for shard in range(3)]
    assert [len(rows) for rows in found] == [1, 0, 1]
    assert bench.store.find(f"stages/radiographs/{SHARDED}/1/sources") == set()
    assert not bench.store.find(f"stages/radiographs/{SHARDED}/1/artifacts")


def test_withdrawn_phantoms_stay_out(bench: Bench) -> None:
    bench.changed[OTHER] = {"root": "", "table": None, "columns": {}, "kind": "phantom", "phantom": {"subjects": 4}}
    bench.changed[OTHER] |= {"settings": {"radiographs": {"size": 64}}}
    known = bench.run("quex/0")
    withdraw(bench, patient=known[0]["patient"], files=(known[1]["file_digest"],))
    assert bench.run("quex/0") == known[2:]
    assert bench.told("withdrawn") == 2
