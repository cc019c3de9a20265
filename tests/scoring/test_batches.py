from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.scoring.asset_batches import Batches


class Squares:
    """Squares of numbers, and which were computed together; some numbers have none."""

    def __init__(self, bad: Sequence[int] = (), error: type[Exception] = ValueError) -> None:
        self.together: list[list[int]] = []
        self.bad = bad
        self.error = error

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.together.append(list(items))
        for item in items:
            if item in self.bad:
                raise self.error(f"{item} is bad")
        return [item**2 for item in items]


@given(st.lists(st.integers(0, 100), unique=True, max_size=20), st.integers(1, 7), st.data())
@settings(max_examples=50, deadline=None)
def test_whatever_is_asked_for_in_whatever_order_is_computed_once(
    items: list[int], size: int, data: st.DataObject
) -> None:
    squares = Squares()
    batches = Batches(items, size, squares)
    for item in data.draw(st.permutations(items)):
        assert batches.take(item) == item**2
    in_order = Squares()
    asked = Batches(items, size, in_order)
    assert [asked.take(item) for item in items] == [item**2 for item in items]
    assert [item for batch in in_order.together for item in batch] == items
    assert all(len(batch) == size for batch in in_order.together[:-1])


def test_nothing_is_computed_that_nobody_asks_for() -> None:
    squares = Squares()
    batches = Batches([1, 2, 3, 4], 2, squares)
    assert squares.together == []
    assert batches.take(3) == 9
    assert squares.together == [[3, 4]]


def test_an_item_that_was_not_announced_is_computed_alone() -> None:
    squares = Squares()
    assert Batches([1, 2], 8, squares).take(5) == 25
    assert squares.together == [[5]]


def test_an_items_error_is_its_own() -> None:
    squares = Squares(bad=[2])
    batches = Batches([1, 2, 3], 3, squares)
    assert batches.take(1) == 1
    with pytest.raises(ValueError, match="2 is bad"):
        batches.take(2)
    assert batches.take(3) == 9
    assert squares.together == [[1, 2, 3], [1], [2], [3]]


@pytest.mark.parametrize("error", [OSError, MemoryError])
def test_the_machines_fault_is_not_tried_again(error: type[Exception]) -> None:
    squares = Squares(bad=[2], error=error)
    with pytest.raises(error):
        Batches([1, 2, 3], 3, squares).take(1)
    assert squares.together == [[1, 2, 3]]
