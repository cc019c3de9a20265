import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from assets.evaluation.comparison import Comparison
from assets.study.inference import detectable, holm, standard_deviation

P = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def test_holm_by_hand() -> None:
    # sorted .01 .02 .03 .04 times 4 3 2 1: .04 .06 .06 .04, never falling: .04 .06 .06 .06
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])


@given(P)
@settings(max_examples=60, deadline=None)
def test_holm_never_lowers_a_value_keeps_their_order_and_begins_with_bonferroni_s(values: list[float]) -> None:
    found = [value for value in holm(values) if value is not None]
    assert len(found) == len(values)
    for value, adjusted in zip(values, found, strict=True):
        assert value - 1e-12 <= adjusted <= 1
    order = np.argsort(values, kind="stable")
    assert (np.diff(np.array(found)[order]) >= -1e-12).all()
    assert min(found) == pytest.approx(min(1.0, len(values) * min(values)))


def test_what_is_undefined_is_no_comparison() -> None:
    assert holm([None, 0.02, None, 0.03]) == [None, pytest.approx(0.04), None, pytest.approx(0.04)]
    assert holm([]) == []


def test_a_difference_of_the_detectable_size_is_found_four_times_in_five() -> None:
    error = 0.03
    half = norm.ppf(0.975) * error
    found = detectable(Comparison(0.01, 0.01 - half, 0.01 + half, 0.7))
    assert found is not None
    draws = np.random.default_rng(0).normal(found, error, 100_000)
    assert np.mean(np.abs(draws / error) > norm.ppf(0.975)) == pytest.approx(0.8, abs=0.005)


def test_confidence_and_power_count_and_no_variance_detects_nothing() -> None:
    half = norm.ppf(0.995) * 0.03
    cut_off = Comparison(0.95, 0.95 - half, 1.0, 0.0)
    assert detectable(cut_off, confidence=0.99, power=0.9) == pytest.approx((norm.ppf(0.995) + norm.ppf(0.9)) * 0.03)
    assert detectable(Comparison(0.0, 0.0, 0.0, 1.0)) is None


def test_one_seed_has_no_spread() -> None:
    assert standard_deviation([0.8]) is None
    assert standard_deviation([]) is None
    assert standard_deviation([0.7, 0.9]) == pytest.approx(0.2 / np.sqrt(2))
