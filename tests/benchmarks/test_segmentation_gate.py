import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.benchmarks.segmentation_gate import Judged, gate_figures


def test_what_is_stopped_by_hand() -> None:
    judged = [
        Judged("a", "1", dice=0.5, score=0.6, flagged=False),
        Judged("a", "2", dice=0.8, score=0.9, flagged=True),
        Judged("b", "1", dice=0.8499, score=0.9, flagged=False),
        Judged("b", "2", dice=0.9, score=0.1, flagged=True),
        Judged("b", "3", dice=0.93, score=0.86, flagged=False),
        Judged("b", "3", dice=1.0, score=0.85, flagged=False),
    ]
    found = gate_figures(judged, 0.86)
    assert (found.masks, found.bad, found.good) == (6, 3, 2)
    assert found.stopped_bad is not None
    assert found.stopped_good is not None
    assert found.stopped_bad.value == pytest.approx(1 / 3)
    assert found.stopped_good.value == 0.5
    both = gate_figures(judged, 0.86, plausibility=True)
    assert both.stopped_bad is not None
    assert both.stopped_bad.value == pytest.approx(2 / 3)
    assert both.stopped_good == found.stopped_good


def test_where_there_is_no_such_mask_there_is_no_share() -> None:
    found = gate_figures([Judged("a", "1", dice=0.9, score=0.6, flagged=False)], 0.86)
    assert (found.bad, found.stopped_bad, found.good, found.stopped_good) == (0, None, 0, None)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=30), st.floats(0, 1))
def test_the_shares_are_means_over_each_class(values: list[tuple[float, float]], gate: float) -> None:
    judged = [Judged("a", str(i), dice, score, False) for i, (dice, score) in enumerate(values)]
    found = gate_figures(judged, gate)
    dices, scores = np.array(values).T
    for mean, chosen in ((found.stopped_bad, dices < 0.85), (found.stopped_good, dices >= 0.93)):
        assert (mean is not None) == chosen.any()
        if mean is not None:
            assert mean.value == pytest.approx((scores[chosen] < gate).mean())
