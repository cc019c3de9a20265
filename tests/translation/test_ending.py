import math

from hypothesis import given
from hypothesis import strategies as st

from assets.translation.ending import best_of, early_stop, ending
from assets.translation.watch import VALIDATION_AUC

AUCS = st.lists(st.sampled_from([0.5, 0.6, 0.7, 0.8, math.nan]), max_size=8)


def checks(aucs: list[float]) -> list[dict[str, float]]:
    return [{"step": float(step), VALIDATION_AUC: auc} for step, auc in enumerate(aucs)]


@given(AUCS)
def test_best_is_the_first_of_the_highest(aucs: list[float]) -> None:
    finite = [auc for auc in aucs if not math.isnan(auc)]
    best = best_of(checks(aucs))
    assert (best is None) == (not finite)
    if best is not None:
        assert aucs[best] == max(finite)
        assert max(finite) not in aucs[:best]


@given(AUCS, st.integers(1, 4))
def test_stops_when_the_last_ones_brought_nothing_better(aucs: list[float], patience: int) -> None:
    def best(values: list[float]) -> float:
        return max((auc for auc in values if not math.isnan(auc)), default=-math.inf)

    expected = len(aucs) >= patience and best(aucs) == best(aucs[: len(aucs) - patience])
    assert early_stop(checks(aucs), patience) == expected
    assert not early_stop(checks(aucs), 0)


def test_measurements_without_auc_bring_nothing() -> None:
    assert best_of([{"step": 1.0}]) is None
    assert early_stop([{"step": 1.0}, {"step": 2.0}], 2)


def test_a_training_ends_for_the_first_reason_there_is() -> None:
    falling = checks([0.9, 0.8, 0.7])
    assert ending(10, 10, falling, 2, 1e9, 1.0) == "steps"
    assert ending(9, 10, falling, 2, 1e9, 1.0) == "early stop"
    assert ending(9, 10, falling, 3, 60.0, 1.0) == "time budget"
    assert ending(9, 10, falling, 3, 59.9, 1.0) is None
    assert ending(9, 10, falling, 0, 1e9, None) is None
