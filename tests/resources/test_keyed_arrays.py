from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.arrays import Arrays, encode
from resources.keyed_arrays import keyed_arrays
from resources.object_store import ObjectStore

PATH = "stages/s/c/descriptors/0.safetensors"


def key(number: int) -> str:
    return f"{number:032x}"


class Maker:
    """Arrays that name their row, and which rows were computed."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def __call__(self, names: Sequence[str]) -> list[Arrays]:
        assert names
        self.made.extend(names)
        numbers = [int(name, 16) for name in names]
        return [{"value": np.array(each), "pair": np.array([each, 1], dtype=np.uint8)} for each in numbers]


def ask(
    store: ObjectStore, wanted: list[int], present: list[int] | None = None, version: str = "1"
) -> tuple[Arrays, list[int]]:
    make = Maker()
    keys = [key(number) for number in wanted]
    held = keys if present is None else [key(number) for number in present]
    return keyed_arrays(store, PATH, version, keys, held, make), sorted(int(name, 16) for name in make.made)


def test_only_new_rows_are_computed_and_the_order_asked_for_is_kept(local_store: ObjectStore) -> None:
    assert ask(local_store, [3, 1])[1] == [1, 3]
    arrays, made = ask(local_store, [1, 2, 3])
    assert made == [2]
    assert arrays["value"].tolist() == [1, 2, 3]
    assert arrays["pair"].tolist() == [[1, 1], [2, 1], [3, 1]]
    assert arrays["pair"].dtype == np.uint8
    assert set(arrays) == {"value", "pair"}


def test_rows_that_are_gone_leave_the_cache_and_others_stay_unasked(local_store: ObjectStore) -> None:
    ask(local_store, [1, 2, 3])
    assert ask(local_store, [1], present=[1, 2])[1] == []
    assert ask(local_store, [2, 3])[1] == [3]


def test_the_last_row_takes_the_object_with_it(local_store: ObjectStore) -> None:
    ask(local_store, [1])
    assert ask(local_store, [], present=[]) == ({}, [])
    assert local_store.read_or_none(PATH) is None


def test_an_unchanged_cache_is_not_written_again(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    ask(local_store, [1, 2])

    def refuse(*_: object) -> None:
        raise AssertionError("written")

    monkeypatch.setattr(ObjectStore, "write", refuse)
    assert ask(local_store, [2, 1])[0]["value"].tolist() == [2, 1]


WITHOUT_KEYS = encode({"value": np.zeros(2), "pair": np.zeros((2, 2), np.uint8)}, {"version": "1"})
TOO_FEW = encode({"value": np.zeros(1), "keys": np.array([[*[0] * 15, 1], [*[0] * 15, 2]], np.uint8)}, {"version": "1"})


@pytest.mark.parametrize(
    "damage", [b"no safetensors", encode({"value": np.zeros(1)}, {})[:-4], b"", WITHOUT_KEYS, TOO_FEW]
)
def test_a_damaged_cache_is_made_anew(local_store: ObjectStore, damage: bytes) -> None:
    ask(local_store, [1, 2])
    local_store.write(PATH, damage)
    assert ask(local_store, [1, 2])[1] == [1, 2]
    assert ask(local_store, [1, 2])[1] == []


def test_another_versions_rows_are_not_used(local_store: ObjectStore) -> None:
    ask(local_store, [1])
    assert ask(local_store, [1], version="2")[1] == [1]
    assert ask(local_store, [1], version="2")[1] == []


def test_a_row_that_fails_leaves_the_cache_as_it_was(local_store: ObjectStore) -> None:
    ask(local_store, [1])

    def fail(_names: Sequence[str]) -> list[Arrays]:
        raise ValueError("no lung")

    with pytest.raises(ValueError, match="no lung"):
        keyed_arrays(local_store, PATH, "1", [key(1), key(2)], [key(1), key(2)], fail)
    assert ask(local_store, [1])[1] == []


@given(st.lists(st.lists(st.integers(0, 9), unique=True), min_size=1, max_size=5))
@settings(max_examples=30, deadline=None)
def test_whatever_was_asked_before_the_answer_is_the_same(asked: list[list[int]]) -> None:
    store = ObjectStore("memory://keyed_arrays")
    store.delete(PATH)
    for numbers in asked:
        names = [key(number) for number in numbers]
        arrays = keyed_arrays(store, PATH, "1", names, names, Maker())
        assert [int(value) for value in arrays.get("value", [])] == numbers
