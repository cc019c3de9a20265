import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.localisation_summary.resampling import Sampled, mean_of, patient_weights, ratio


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=30), st.integers(0, 99))
def test_each_resample_keeps_the_number_of_patients_of_either_kind(drawn: list[bool], seed: int) -> None:
    kinds = np.array(drawn)
    weights = patient_weights(kinds, 50, seed)
    assert weights.shape == (51, len(drawn))
    np.testing.assert_array_equal(weights[0], 1)
    np.testing.assert_array_equal(weights[:, kinds].sum(axis=1), kinds.sum())
    np.testing.assert_array_equal(weights[:, ~kinds].sum(axis=1), (~kinds).sum())
    np.testing.assert_array_equal(weights, patient_weights(kinds, 50, seed))


def test_resamples_have_the_mean_and_spread_of_drawing_with_replacement() -> None:
    weights = patient_weights(np.ones(40, np.bool_), 4000, 1)[1:]
    assert weights.mean() == pytest.approx(1)
    assert weights.var() == pytest.approx(1 - 1 / 40, rel=0.03)


def test_a_ratio_is_of_sums_and_patients_go_together() -> None:
    weights = np.array([[1.0, 1], [2, 0], [0, 2]])
    above, below, patients = np.array([1.0, 0, 3]), np.array([2.0, 1, 3]), np.array([0, 0, 1])
    assert ratio(above, below, patients, weights).tolist() == [4 / 6, 1 / 3, 1.0]
    assert np.isnan(ratio(above, np.array([2.0, 1, 0]), patients, weights)[2])


def test_the_interval_covers_the_mean_of_the_population() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for number in range(60):
        values = rng.random(60)
        weights = patient_weights(np.ones(60, np.bool_), 300, number)
        found = Sampled.of(ratio(values, np.ones(60), np.arange(60), weights))
        low, high = found.interval(0.9)
        assert low is not None
        assert high is not None
        assert low <= found.value <= high
        covered += low <= 0.5 <= high
    assert 45 <= covered <= 60


def test_a_difference_is_paired() -> None:
    rng = np.random.default_rng(0)
    values, weights = rng.random(30), patient_weights(np.ones(30, np.bool_), 200, 0)
    first, second = (Sampled.of(ratio(each, np.ones(30), np.arange(30), weights)) for each in (values + 0.25, values))
    low, high = first.minus(second).interval(0.95)
    assert [low, high] == pytest.approx([0.25, 0.25])
    assert first.minus(second).value == pytest.approx(0.25)


def test_undefined_resamples_are_left_out_and_nothing_has_no_interval() -> None:
    known = Sampled(0.5, np.array([np.nan, 0.25, 0.75]))
    assert list(known.interval(0.9)) == pytest.approx([0.275, 0.725])
    assert Sampled(np.nan, np.full(3, np.nan)).interval(0.9) == (None, None)


def test_draws_of_a_guess_are_averaged() -> None:
    assert mean_of([np.array([1.0, 2]), np.array([3.0, 6])]).tolist() == [2, 4]
