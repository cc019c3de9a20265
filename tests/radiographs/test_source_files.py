import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.radiographs import source_files
from assets.radiographs.identity import assignment, pseudonym
from assets.radiographs.source_files import INDEX, FileFacts, SourceFiles, settled
from assets.radiographs.sources import Stats

KEY = b"a key of some length"
NOW = 10**18
OLD = "mtime 5 7"
NOTHING = INDEX.empty_table()


class Disk:
    """Files by path that count their readings."""

    def __init__(self, **files: bytes) -> None:
        self.files, self.reads = files, 0

    def read(self, path: str) -> bytes:
        self.reads += 1
        return self.files[path]


def opened(disk: Disk, stats: Stats, known: object = NOTHING, root: str = "/data", now: int = NOW) -> SourceFiles:
    return SourceFiles(disk.read, stats, known, root, KEY, lambda: now)


@pytest.fixture
def header(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files whose whole text is the patient of their header."""

    def patient(data: bytes) -> str | None:
        return data.decode() or None

    monkeypatch.setattr(source_files, "source_patient", patient)


def test_an_indexed_file_is_not_read_again() -> None:
    disk = Disk(a=b"one", b=b"two")
    stats = {"a": (3, OLD), "b": (3, "etag x")}
    first = opened(disk, stats)
    facts = [first.facts(path) for path in "ab"]
    assert facts == [FileFacts(hashlib.sha256(data).hexdigest()) for data in (b"one", b"two")]
    second = opened(disk, stats, first.index([("a", False), ("b", False)]))
    assert [second.facts(path) for path in "ab"] == facts
    assert (first.read_count, second.read_count, disk.reads) == (2, 0, 2)
    assert second.index([("a", False), ("b", False)]) == first.index([("b", False), ("a", False)])


@pytest.mark.parametrize("changed", [{"a": (4, OLD)}, {"a": (3, "mtime 5 8")}, {"a": (3, "etag x")}, {}])
def test_a_file_of_other_size_or_stamp_is_read_again(changed: Stats) -> None:
    disk = Disk(a=b"one")
    first = opened(disk, {"a": (3, OLD)})
    first.facts("a")
    disk.files["a"] = b"new"
    second = opened(disk, changed, first.index([("a", False)]))
    assert second.facts("a").digest == hashlib.sha256(b"new").hexdigest()
    assert second.read_count == 1


def test_another_root_or_key_knows_nothing() -> None:
    disk = Disk(a=b"one")
    first = opened(disk, {"a": (3, OLD)})
    first.facts("a")
    index = first.index([("a", False)])
    others = [
        opened(disk, {"a": (3, OLD)}, index, root="/other"),
        SourceFiles(disk.read, {"a": (3, OLD)}, index, "/data", b"another key of some length"),
    ]
    for other in others:
        other.facts("a")
        assert other.read_count == 1


def test_a_file_is_read_once_a_run_whatever_its_stamp_is_worth() -> None:
    disk = Disk(a=b"one")
    files = opened(disk, {})
    assert files.facts("a") == files.facts("a")
    assert disk.reads == 1
    assert files.index([("a", False)]).num_rows == 0


@pytest.mark.parametrize(
    ("stamp", "trusted"),
    [
        ("", False),
        ("etag 0123", True),
        (f"mtime {NOW - 1}", False),
        (f"mtime {NOW - 2 * 10**9}", False),
        (f"mtime {NOW - 2 * 10**9 - 1}", True),
        (f"mtime 5 {NOW - 1}", False),
        (f"mtime {NOW + 10**12} 5", False),
    ],
)
def test_a_file_written_just_before_it_was_read_is_not_trusted(stamp: str, trusted: bool) -> None:
    assert settled(stamp, NOW) is trusted
    files = opened(Disk(a=b"one"), {"a": (3, stamp)})
    files.facts("a")
    assert files.index([("a", False)]).num_rows == trusted


def test_the_index_names_no_path_and_keeps_only_what_is_asked_for() -> None:
    disk = Disk(doe_jane=b"one", doe_john=b"two")
    files = opened(disk, {"doe_jane": (3, OLD), "doe_john": (3, OLD)})
    for path in disk.files:
        files.facts(path)
    index = files.index([("doe_jane", False), ("never asked for", False)])
    assert index.schema == INDEX
    assert index.num_rows == 1
    assert "doe" not in str(index.to_pylist())
    assert index["name"][0].as_py() not in (pseudonym("doe_jane", KEY), pseudonym("doe_jane", KEY)[:24])


def test_patients_of_headers_are_kept_as_pseudonyms(header: None) -> None:
    disk = Disk(a=b"MRN-1", b=b"")
    stats = {"a": (5, OLD), "b": (0, OLD)}
    first = opened(disk, stats)
    facts = first.facts("a", header=True)
    assert (facts.patient, facts.assignment) == (pseudonym("MRN-1", KEY), assignment("MRN-1"))
    assert first.facts("b", header=True).patient is None
    index = first.index([("a", True), ("b", True)])
    assert "MRN" not in str(index.to_pylist())
    second = opened(disk, stats, index)
    assert (second.facts("a", header=True), second.facts("b", header=True).patient) == (facts, None)
    assert second.read_count == 0


def test_an_index_made_without_headers_tells_no_patient(header: None) -> None:
    disk = Disk(a=b"MRN-1")
    first = opened(disk, {"a": (5, OLD)})
    assert first.facts("a").patient is None
    second = opened(disk, {"a": (5, OLD)}, first.index([("a", False)]))
    assert second.facts("a", header=True).patient == pseudonym("MRN-1", KEY)


def test_what_was_read_in_this_run_can_be_told_apart() -> None:
    disk = Disk(a=b"one", b=b"two")
    stats = {"a": (3, OLD), "b": (3, OLD)}
    first = opened(disk, stats)
    first.facts("a")
    second = opened(disk, stats, first.index([("a", False)]))
    second.facts("a"), second.facts("b")
    both = [("a", False), ("b", False)]
    assert (second.index(both).num_rows, second.index(both, fresh=True).num_rows) == (2, 1)


WRITES = st.lists(st.tuples(st.sampled_from([b"x", b"y"]), st.integers(0, 2), st.booleans()), min_size=2, max_size=8)


@settings(deadline=None)
@given(WRITES, st.integers(1, 4))
def test_no_order_of_writes_and_runs_gives_a_digest_of_what_was(
    writes: list[tuple[bytes, int, bool]], tick: int
) -> None:
    """A storage whose clock stands still for up to the time that the rule allows, in quarters of it."""
    quarter, now, index = source_files.CLOCK_TICK_NS // 4, 10, NOTHING
    for data, wait, run in writes:
        now += wait
        stats = {"a": (1, f"mtime {now // tick * tick * quarter}")}
        if run:
            found = opened(Disk(a=data), stats, index, now=now * quarter)
            assert found.facts("a").digest == hashlib.sha256(data).hexdigest()
            index = found.index([("a", False)])
