import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources import incremental
from resources.arrays import CorruptArtifact, encode
from resources.incremental import Outcome, Refreshed, Task, refresh, row_key
from resources.manifests import Place, digest_of, pointer_version, publish, read_artifact, require_current, table_bytes
from resources.object_store import ObjectStore

PLACE = Place("lung_masks", "phantom/0")
SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("key", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("artifact", pa.string()),
        ("artifact_digest", pa.string()),
        ("area", pa.float64()),
    ]
)


def key(name: str, version: str = "1") -> str:
    return row_key("lung_masks", version, {}, [name])


class Work:
    """Tasks that record which of them were really computed."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def outcome(self, name: str) -> Outcome:
        self.done.append(name)
        return Outcome({"area": float(len(name))}, {"lungs": np.full((2, 2), len(name), np.uint8)})

    def tasks(self, names: Sequence[str], version: str = "1") -> list[Task]:
        return [Task(key(name, version), {"name": name}, lambda name=name: self.outcome(name)) for name in names]  # type: ignore[misc]


def silent(line: str) -> None:
    pass


def run(store: ObjectStore, tasks: Sequence[Task], *, retry_failed: bool = False) -> Refreshed:
    done = refresh(store, PLACE, tasks, silent, retry_failed=retry_failed)
    publish(store, PLACE, done.table(SCHEMA), done.counts(), pointer_version(store, PLACE))
    return done


def one(name: str, work: Callable[[], Outcome], refusal: str = "") -> Task:
    return Task(key(name), {"name": name}, work, refusal)


def tally(done: Refreshed) -> tuple[int, int, int]:
    return done.computed, done.reused, done.resumed


def test_a_first_run_computes_every_row_in_order(store: ObjectStore) -> None:
    work = Work()
    done = run(store, work.tasks(["bb", "a", "ccc"]))
    assert tally(done) == (3, 0, 0)
    assert [row["name"] for row in done.rows] == ["bb", "a", "ccc"]
    assert work.done == ["bb", "a", "ccc"]
    for row in done.rows:
        np.testing.assert_array_equal(read_artifact(store, row)["lungs"], np.full((2, 2), len(row["name"])))
        assert row["area"] == len(row["name"])


def test_an_unchanged_run_computes_nothing_and_gives_the_same_table(store: ObjectStore) -> None:
    work = Work()
    first = run(store, work.tasks(["a", "b"]))
    again = run(store, work.tasks(["a", "b"]))
    assert tally(again) == (0, 2, 0)
    assert again.table(SCHEMA).equals(first.table(SCHEMA))
    assert work.done == ["a", "b"]


def test_added_rows_alone_are_computed(store: ObjectStore) -> None:
    work = Work()
    run(store, work.tasks(["a", "c"]))
    assert tally(run(store, work.tasks(["a", "b", "c", "d"]))) == (2, 2, 0)
    assert work.done == ["a", "c", "b", "d"]


def test_a_withdrawn_row_leaves_the_table_and_comes_back_without_work(store: ObjectStore) -> None:
    work = Work()
    run(store, work.tasks(["a", "b"]))
    assert [row["name"] for row in run(store, work.tasks(["b"])).rows] == ["b"]
    assert tally(run(store, work.tasks(["a", "b"]))) == (0, 1, 1)
    assert work.done == ["a", "b"]


def test_a_changed_key_is_computed_anew(store: ObjectStore) -> None:
    work = Work()
    run(store, work.tasks(["a", "b"]))
    assert tally(run(store, work.tasks(["a", "b"], version="2"))) == (2, 0, 0)


def test_a_deleted_artefact_alone_is_computed_and_the_table_stays(store: ObjectStore) -> None:
    work = Work()
    first = run(store, work.tasks(["a", "b", "c"]))
    store.delete(PLACE.artifact(key("b")))
    again = run(store, work.tasks(["a", "b", "c"]))
    assert tally(again) == (1, 2, 0)
    assert work.done == ["a", "b", "c", "b"]
    assert again.table(SCHEMA).equals(first.table(SCHEMA))


def test_what_a_row_carries_is_taken_from_upstream_at_every_run(local_store: ObjectStore) -> None:
    work = Work()
    run(local_store, work.tasks(["a"]))
    moved = [Task(key("a"), {"name": "renamed"}, lambda: work.outcome("a"))]
    again = run(local_store, moved)
    assert (again.reused, again.rows[0]["name"], again.rows[0]["area"]) == (1, "renamed", 1.0)


def test_a_run_that_was_cut_off_is_taken_up_from_its_artefacts(store: ObjectStore) -> None:
    work = Work()
    refresh(store, PLACE, work.tasks(["a", "b"]), silent)
    resumed = run(store, work.tasks(["a", "b", "c"]))
    assert tally(resumed) == (1, 0, 2)
    assert work.done == ["a", "b", "c"]
    uninterrupted = ObjectStore(store.root + "-other", store.options)
    assert resumed.table(SCHEMA).equals(run(uninterrupted, work.tasks(["a", "b", "c"])).table(SCHEMA))


@pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:20], lambda data: b""])
def test_a_damaged_orphan_is_computed_anew(local_store: ObjectStore, damage: Callable[[bytes], bytes]) -> None:
    work = Work()
    refresh(local_store, PLACE, work.tasks(["a"]), silent)
    path = PLACE.artifact(key("a"))
    whole = local_store.read(path)
    local_store.write(path, damage(whole))
    assert tally(run(local_store, work.tasks(["a"]))) == (1, 0, 0)
    assert local_store.read(path) == whole


def test_an_exception_makes_the_row_failed_and_the_others_go_on(local_store: ObjectStore) -> None:
    def broken() -> Outcome:
        raise ZeroDivisionError("no lung")

    done = run(local_store, [one("x", broken), *Work().tasks(["a"])])
    assert [(row["status"], row["reason"]) for row in done.rows] == [
        ("failed", "ZeroDivisionError: no lung"),
        ("ok", ""),
    ]
    assert done.rows[0]["artifact"] == ""
    assert done.counts() == {
        "planned": 2,
        "computed": 2,
        "reused": 0,
        "resumed": 0,
        "ok": 1,
        "needs_review": 0,
        "rejected": 0,
        "failed": 1,
    }


@pytest.mark.parametrize("status", ["failed", "rejected"])
def test_set_aside_rows_are_not_tried_again_unless_asked_for(local_store: ObjectStore, status: str) -> None:
    calls: list[str] = []

    def outcome() -> Outcome:
        calls.append("x")
        if status == "failed":
            raise ValueError("bad")
        return Outcome(status="rejected", reason="bad")

    run(local_store, [one("x", outcome)])
    again = run(local_store, [one("x", outcome)])
    assert (tally(again), again.rows[0]["status"], calls) == ((0, 1, 0), status, ["x"])
    assert tally(run(local_store, [one("x", outcome)], retry_failed=True)) == (1, 0, 0)
    assert calls == ["x", "x"]


def test_a_row_for_review_keeps_its_artefact_and_is_not_computed_again(local_store: ObjectStore) -> None:
    calls: list[str] = []

    def outcome() -> Outcome:
        calls.append("x")
        return Outcome({"area": 1.0}, {"lungs": np.zeros(2)}, "needs_review", "lungs differ")

    first = run(local_store, [one("x", outcome)])
    again = run(local_store, [one("x", outcome)])
    assert first.rows[0]["artifact"]
    assert again.table(SCHEMA).equals(first.table(SCHEMA))
    assert (tally(again), calls) == ((0, 1, 0), ["x"])


def test_what_a_later_step_set_aside_is_judged_anew(local_store: ObjectStore) -> None:
    work = Work()
    done = refresh(local_store, PLACE, work.tasks(["a"]), silent)
    done.rows[0].update(status="rejected", reason="same pixels as row 1")
    publish(local_store, PLACE, done.table(SCHEMA), {})
    again = refresh(local_store, PLACE, work.tasks(["a"]), silent)
    assert (again.rows[0]["status"], again.rows[0]["reason"], tally(again)) == ("ok", "", (0, 1, 0))


def test_a_refused_row_is_rejected_without_work(local_store: ObjectStore) -> None:
    work = Work()
    done = run(local_store, [one("x", lambda: work.outcome("x"), "row 3: no label")])
    assert (done.rows[0]["status"], done.rows[0]["reason"]) == ("rejected", "row 3: no label")
    assert (tally(done), work.done) == ((0, 0, 0), [])


def test_a_refusal_wins_over_an_artefact_from_before(local_store: ObjectStore) -> None:
    work = Work()
    run(local_store, work.tasks(["x"]))
    done = run(local_store, [one("x", lambda: work.outcome("x"), "withdrawn")])
    assert (done.rows[0]["status"], done.rows[0]["artifact"]) == ("rejected", "")


def test_an_error_of_the_store_stops_the_run(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: ObjectStore, path: str, data: bytes) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ObjectStore, "create", full)
    with pytest.raises(OSError, match="No space"):
        refresh(local_store, PLACE, Work().tasks(["a"]), silent)


@pytest.mark.parametrize("error", [CorruptArtifact("altered"), ConnectionError("reset"), PermissionError("denied")])
def test_trouble_with_what_a_row_reads_stops_the_run_and_leaves_no_failed_row(
    local_store: ObjectStore, error: Exception
) -> None:
    def reads() -> Outcome:
        raise error

    with pytest.raises(type(error)):
        refresh(local_store, PLACE, [one("a", reads)], silent)
    assert tally(run(local_store, Work().tasks(["a"]))) == (1, 0, 0)


def test_rows_computed_side_by_side_stay_in_order(local_store: ObjectStore) -> None:
    both_began = threading.Barrier(2, timeout=20)

    def task(name: str) -> Task:
        def outcome() -> Outcome:
            both_began.wait()
            return Work().outcome(name)

        return one(name, outcome)

    done = refresh(local_store, PLACE, [task("a"), task("b"), *Work().tasks(["c"])], silent, workers=2)
    assert [row["name"] for row in done.rows] == ["a", "b", "c"]
    assert tally(done) == (3, 0, 0)
    alone = refresh(ObjectStore(local_store.root + "-other"), PLACE, Work().tasks(["a", "b", "c"]), silent)
    assert done.table(SCHEMA).equals(alone.table(SCHEMA))


def test_rows_of_a_stage_without_tasks_are_an_empty_table(local_store: ObjectStore) -> None:
    done = run(local_store, [])
    assert done.table(SCHEMA).num_rows == 0
    assert done.counts()["planned"] == 0


def test_columns_that_a_row_lacks_are_null(local_store: ObjectStore) -> None:
    done = run(local_store, [one("x", lambda: Outcome(status="rejected", reason="empty"))])
    assert done.table(SCHEMA).to_pylist()[0]["area"] is None


def test_progress_says_how_far_and_how_long(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "PROGRESS_SECONDS", -1.0)
    lines: list[str] = []
    refresh(local_store, PLACE, Work().tasks(["a", "b"]), lines.append)
    assert lines[0].startswith("lung_masks@phantom/0: 1 of 2 rows, ")
    assert lines[1].endswith(" 0 s left")


def test_an_artefacts_header_holds_its_row(local_store: ObjectStore) -> None:
    run(local_store, Work().tasks(["a"]))
    expected = encode({"lungs": np.ones((2, 2), np.uint8)}, {"area": 1.0, "status": "ok", "reason": ""})
    assert local_store.read(PLACE.artifact(key("a"))) == expected


PARTS: dict[str, Any] = {"stage": "a", "version": "1", "settings": {"x": 1}, "inputs": ["p", "q"]}


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "b"},
        {"version": "2"},
        {"settings": {"x": 2}},
        {"settings": {}},
        {"inputs": ["q", "p"]},
        {"inputs": ["pq"]},
    ],
)
def test_a_key_depends_on_everything_the_row_is_made_from(change: dict[str, Any]) -> None:
    assert row_key(**{**PARTS, **change}) != row_key(**PARTS)
    assert row_key(**PARTS) == row_key("a", "1", {"x": 1}, ("p", "q"))


@given(runs=st.lists(st.lists(st.sampled_from("abcdef"), unique=True), min_size=1, max_size=4), data=st.data())
@settings(max_examples=25, deadline=None)
def test_whatever_happened_before_a_run_ends_in_the_same_table(
    runs: list[list[str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = ObjectStore(str(tmp_path_factory.mktemp("store")))
    work = Work()
    for names in runs:
        if data.draw(st.booleans(), label="published"):
            run(store, work.tasks(names))
        else:
            refresh(store, PLACE, work.tasks(names), silent)
        for path in data.draw(st.lists(st.sampled_from(sorted(store.find("")) or [""]), max_size=2), label="lost"):
            if path.endswith(".safetensors"):
                store.delete(path)
    last = run(store, work.tasks(runs[-1]))
    fresh = run(ObjectStore(str(tmp_path_factory.mktemp("fresh"))), Work().tasks(runs[-1]))
    assert last.table(SCHEMA).equals(fresh.table(SCHEMA))
    assert sum(tally(last)) == len(runs[-1])
    assert set(last.table(SCHEMA).column("artifact").to_pylist()) <= store.find("")


@pytest.mark.parametrize("remedy", ["run again", "as advised"])
def test_an_altered_manifest_is_mended_by_running_again(local_store: ObjectStore, remedy: str) -> None:
    work = Work()
    first = run(local_store, work.tasks(["a", "bb"])).table(SCHEMA)
    digest = digest_of(table_bytes(first))
    wrong = first.set_column(first.column_names.index("area"), "area", pa.array([7.0, 7.0]))
    local_store.write(PLACE.manifest(digest), table_bytes(wrong))
    with pytest.raises(CorruptArtifact, match=r"delete .*/CURRENT\.json and run"):
        require_current(local_store, PLACE)
    if remedy == "as advised":
        local_store.delete(f"{PLACE.folder}/CURRENT.json")
    again = run(local_store, work.tasks(["a", "bb"]))
    assert (again.computed, again.resumed) == (0, 2)
    assert require_current(local_store, PLACE)[1].equals(first)


def test_an_artefact_that_goes_while_it_is_taken_up_is_computed(
    local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Work()
    refresh(local_store, PLACE, work.tasks(["a", "bb"]), silent)
    renew, paths = ObjectStore.renew, [PLACE.artifact(key(name)) for name in ("a", "bb")]

    def late(self: ObjectStore, path: str, data: bytes) -> bool:
        self.delete(paths[0])
        self.delete(paths[1])
        return renew(self, path, data)

    monkeypatch.setattr(ObjectStore, "renew", late)
    done = run(local_store, work.tasks(["a", "bb"]))
    assert (done.computed, done.resumed) == (2, 0)
    assert work.done == ["a", "bb", "a", "bb"]
    assert [read_artifact(local_store, row)["lungs"][0, 0] for row in done.rows] == [1, 2]
