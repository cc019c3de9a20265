import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.study.budget import Budget, spoken


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@settings(deadline=None)
@given(hours=st.floats(0, 100), reserve=st.floats(0, 1e5), spent=st.floats(0, 1e6))
def test_what_is_spent_and_left_is_the_budget_and_training_leaves_the_reserve(
    hours: float, reserve: float, spent: float
) -> None:
    clock = Clock()
    budget = Budget(hours, clock, reserve)
    clock.now += spent
    left, training = budget.left, budget.for_training
    assert budget.spent == pytest.approx(spent, abs=1e-6)
    assert left == pytest.approx(max(0.0, 3600 * hours - spent), abs=1e-3)
    assert left is not None
    assert training == max(0.0, left - reserve)


def test_without_hours_there_is_no_limit() -> None:
    budget = Budget(None, Clock(), reserve=60)
    assert budget.left is None
    assert budget.for_training is None
    assert str(budget) == "0:00:00 spent, no limit"


def test_time_is_told_in_hours_minutes_and_seconds() -> None:
    clock = Clock()
    budget = Budget(2, clock)
    clock.now += 3723.4
    assert str(budget) == "1:02:03 spent, 0:57:57 left"
    assert spoken(90061) == "1 day, 1:01:01"
