from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.arrays import CorruptArtifact
from resources.incremental import Outcome, Task, refresh, row_key, row_keys
from resources.manifests import Place, digest_of, publish, table_bytes
from resources.object_store import ObjectStore
from resources.planned import Brought, Planned, bring_up_planned, once, row_at, row_of

PLACE = Place("lung_masks", "phantom/0")
SCHEMA = pa.schema(
    [
        ("radiograph_id", pa.string()),
        ("split", pa.string()),
        ("key", pa.string()),
        ("status", pa.string()),
        ("reason", pa.string()),
        ("artifact", pa.string()),
        ("artifact_digest", pa.string()),
        ("area", pa.float64()),
        ("marks", pa.list_(pa.string())),
    ]
)
TALLY = tuple[int, int, int]


class Work:
    """A stage whose rows come to what their names say; it records which of them were really computed."""

    def __init__(self, split: str = "train") -> None:
        self.split = split
        self.done: list[str] = []

    def outcome(self, name: str) -> Outcome:
        self.done.append(name)
        arrays = {"lungs": np.full(2, ord(name[0]), np.uint8)}
        columns = {"area": float(ord(name[0])), "marks": [name, "x"]}
        if name.startswith("e"):
            raise ValueError("no lung")
        if name.startswith("r"):
            return Outcome({}, None, "rejected", "unusable")
        return Outcome(columns, arrays, "needs_review", "odd") if name.startswith("n") else Outcome(columns, arrays)

    def planned(self, names: Sequence[str]) -> Planned:
        keys = row_keys("lung_masks", "1", {}, [list(names)]) if names else []
        carried = pa.table({"radiograph_id": pa.array(names, pa.string()), "split": [self.split] * len(names)})
        return Planned(keys, carried, lambda position: self.outcome(names[position]))

    def tasks(self, names: Sequence[str]) -> list[Task]:
        keys = [row_key("lung_masks", "1", {}, [name]) for name in names]
        carried = [{"radiograph_id": name, "split": self.split} for name in names]
        return [
            Task(key, row, lambda name=name: self.outcome(name))  # type: ignore[misc]
            for key, row, name in zip(keys, carried, names, strict=True)
        ]


def silent(line: str) -> None:
    pass


def run(store: ObjectStore, planned: Planned, **options: bool) -> Brought:
    done = bring_up_planned(store, PLACE, planned, SCHEMA, silent, **options)
    publish(store, PLACE, done.table(SCHEMA), done.counts())
    return done


def tally(done: Brought) -> TALLY:
    return done.computed, done.reused, done.resumed


def test_an_unchanged_run_computes_nothing_and_gives_the_same_bytes(store: ObjectStore) -> None:
    work = Work()
    first = run(store, work.planned(["b", "n", "a", "r"]))
    again = run(store, work.planned(["b", "n", "a", "r"]))
    assert (tally(first), tally(again)) == ((4, 0, 0), (0, 4, 0))
    assert work.done == ["b", "n", "a", "r"]
    assert table_bytes(again.table(SCHEMA)) == table_bytes(first.table(SCHEMA))


def test_a_deleted_artefact_alone_is_computed_and_the_bytes_stay(local_store: ObjectStore) -> None:
    work = Work()
    first = run(local_store, work.planned(["a", "b", "c"]))
    local_store.delete(first.rows[1]["artifact"])
    again = run(local_store, work.planned(["a", "b", "c"]))
    assert (tally(again), work.done[3:]) == ((1, 2, 0), ["b"])
    assert table_bytes(again.table(SCHEMA)) == table_bytes(first.table(SCHEMA))


def test_what_a_row_carries_is_taken_from_upstream_at_every_run(local_store: ObjectStore) -> None:
    run(local_store, Work().planned(["a"]))
    again = run(local_store, Work("test").planned(["a"]))
    assert (again.reused, again.rows[0]["split"], again.rows[0]["area"]) == (1, "test", 97.0)


def test_set_aside_rows_are_tried_again_when_asked_for(local_store: ObjectStore) -> None:
    work = Work()
    run(local_store, work.planned(["r", "e", "n"]))
    assert tally(run(local_store, work.planned(["r", "e", "n"]))) == (0, 3, 0)
    assert tally(run(local_store, work.planned(["r", "e", "n"]), retry_failed=True)) == (2, 1, 0)


def test_a_manifest_of_other_columns_is_brought_to_the_present_ones(local_store: ObjectStore) -> None:
    work = Work()
    first = bring_up_planned(local_store, PLACE, work.planned(["a", "b"]), SCHEMA, silent)
    narrow = first.content.drop_columns(["marks"])
    publish(local_store, PLACE, narrow.set_column(narrow.column_names.index("area"), "area", pa.array([97, 98])), {})
    again = run(local_store, work.planned(["a", "b", "c"]))
    assert tally(again) == (1, 2, 0)
    assert again.content["area"].to_pylist() == [97.0, 98.0, 99.0]
    assert again.content["marks"].to_pylist() == [None, None, ["c", "x"]]


def test_rows_and_counts_are_those_of_the_manifest(local_store: ObjectStore) -> None:
    done = run(local_store, Work().planned(["a", "n", "e", "r", "rr"]))
    assert done.rows == done.table(SCHEMA).to_pylist()
    assert done.columns("status", "area")[1] == {"status": "needs_review", "area": 110.0}
    counts = {"ok": 1, "needs_review": 1, "failed": 1, "rejected": 2}
    assert done.counts() == {"planned": 5, "computed": 5, "reused": 0, "resumed": 0, **counts}


def test_a_stage_without_rows_has_an_empty_manifest(local_store: ObjectStore) -> None:
    done = run(local_store, Work().planned([]))
    assert done.table(SCHEMA).equals(SCHEMA.empty_table())
    assert done.counts()["planned"] == 0


def test_one_row_is_found_by_position_and_by_radiograph() -> None:
    table = pa.table({"radiograph_id": ["a", "b"], "area": [1.0, 2.0]})
    assert row_at(table, 1) == row_of(table, "b") == {"radiograph_id": "b", "area": 2.0}
    with pytest.raises(KeyError, match="c"):
        row_of(table, "c")


def test_what_rows_share_is_made_once_and_only_when_it_is_asked_for() -> None:
    made: list[int] = []

    def build() -> int:
        made.append(len(made))
        return 7

    shared = once(build, "the frame cannot be used")
    assert made == []
    assert (shared(), shared(), made) == (7, 7, [0])


def test_what_cannot_be_made_for_any_row_stops_the_run_and_fails_no_row(local_store: ObjectStore) -> None:
    def build() -> int:
        raise ValueError("no lungs")

    shared = once(build, "phantom: the reference cannot be used")
    planned = Planned(["0" * 32], pa.table({"radiograph_id": ["a"]}), lambda position: Outcome({"area": shared()}))
    with pytest.raises(CorruptArtifact, match=r"phantom: the reference cannot be used \(ValueError: no lungs\)"):
        run(local_store, planned)
    with pytest.raises(CorruptArtifact, match=r"^altered$"):
        once(_altered, "x")()


def _altered() -> None:
    raise CorruptArtifact("altered")


NAMES = st.lists(st.sampled_from(["a", "b", "c", "n", "nn", "r", "e"]), unique=True)


@given(runs=st.lists(st.tuples(NAMES, st.sampled_from(["train", "test"])), min_size=1, max_size=4), data=st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_happened_before_it_gives_the_bytes_and_counts_of_the_row_wise_way(
    runs: list[tuple[list[str], str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stores = [ObjectStore(str(tmp_path_factory.mktemp("store"))) for _ in range(2)]
    for names, split in runs:
        work = [Work(split), Work(split)]
        retry = data.draw(st.booleans(), label="retry")
        planned = bring_up_planned(stores[0], PLACE, work[0].planned(names), SCHEMA, silent, retry_failed=retry)
        tasks = refresh(stores[1], PLACE, work[1].tasks(names), silent, retry_failed=retry)
        assert planned.counts() == tasks.counts()
        assert work[0].done == work[1].done
        assert table_bytes(planned.table(SCHEMA)) == table_bytes(tasks.table(SCHEMA))
        if data.draw(st.booleans(), label="published"):
            for store in stores:
                publish(store, PLACE, tasks.table(SCHEMA), {})
        there = sorted(path for path in stores[0].find("") if path.endswith(".safetensors"))
        for path in data.draw(st.lists(st.sampled_from(there or [""]), max_size=2, unique=True), label="lost"):
            if path:
                for store in stores:
                    store.delete(path)


TEXTS = st.text(max_size=8)


@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=5), same=TEXTS, stage=TEXTS, size=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_many_keys_are_those_of_each_row(rows: list[tuple[str, str]], same: str, stage: str, size: float) -> None:
    given_settings: dict[str, Any] = {"b": size, "a": [same, {"c": None}]}
    first, second = ([row[side] for row in rows] for side in (0, 1))
    keys = row_keys(stage, "1", given_settings, [first, same, second])
    assert keys == [row_key(stage, "1", given_settings, [a, same, b]) for a, b in rows]


@pytest.mark.parametrize("inputs", [[["a"], ["b", "c"]], ["same"], []])
def test_keys_need_columns_of_one_length(inputs: list[str | list[str]]) -> None:
    with pytest.raises(ValueError, match="lung_masks: expected columns of one length"):
        row_keys("lung_masks", "1", {}, inputs)


def test_no_row_has_no_key() -> None:
    assert row_keys("lung_masks", "1", {}, [[], "same"]) == []


def test_an_altered_manifest_is_none_and_written_anew(local_store: ObjectStore) -> None:
    work = Work()
    first = run(local_store, work.planned(["a", "b"])).table(SCHEMA)
    path = PLACE.manifest(digest_of(table_bytes(first)))
    wrong = first.set_column(first.column_names.index("area"), "area", pa.array([7.0, 7.0]))
    local_store.write(path, table_bytes(wrong))
    again = run(local_store, work.planned(["a", "b"]))
    assert tally(again) == (0, 0, 2)
    assert local_store.read(path) == table_bytes(first)
