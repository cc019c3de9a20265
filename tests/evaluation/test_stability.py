from dataclasses import astuple

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, roc_curve

from assets.evaluation.stability import Stability, operating, stability, stability_intervals

F64 = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]
Side = tuple[F64, Labels]


def patients(seed: int, each: int = 40, skill: float = 1.0) -> Side:
    rng = np.random.default_rng(seed)
    labels = np.arange(2 * each) < each
    return rng.normal(size=2 * each) + skill * labels, labels


def test_convention_above_the_threshold_is_strict() -> None:
    scores, labels = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, False, True, True])
    found = operating(scores, labels, 2.0)
    assert (found.sensitivity, found.specificity, found.balanced_accuracy) == (0.5, 1.0, 0.75)


def test_what_is_missing_is_none() -> None:
    scores, labels = np.array([1.0, 2.0]), np.array([True, True])
    assert astuple(operating(scores, labels, None)) == (None, None)
    assert astuple(operating(scores, labels, 1.5)) == (0.5, None)
    assert operating(scores, labels, 1.5).balanced_accuracy is None
    assert astuple(operating(np.array([np.nan, 1.0]), labels, 0.0)) == (None, None)
    one_class, constant = patients(0), (np.ones(6), np.arange(6) < 3)
    assert stability((one_class[0], np.ones(80, bool)), one_class) == Stability()
    assert stability(one_class, (np.full(80, np.nan), one_class[1])) == Stability()
    assert stability(constant, constant) == Stability(None, 0.5, 0.0)


@given(st.integers(0, 10_000), st.floats(0.1, 50), st.floats(-20, 20))
@settings(max_examples=30, deadline=None)
def test_rescaling_changes_nothing(seed: int, factor: float, shift: float) -> None:
    known, tested = patients(seed), patients(seed + 1)
    scaled = [(factor * scores + shift, labels) for scores, labels in (known, tested)]
    plain, again = stability(known, tested), stability(scaled[0], scaled[1])
    np.testing.assert_allclose(astuple(again), astuple(plain), rtol=1e-6, atol=1e-9)


def test_measures_equal_their_definition() -> None:
    known, tested = patients(1), patients(2)
    found = stability(known, tested)
    thresholds = np.quantile(known[0], np.linspace(0.05, 0.95, 181))
    accuracy = [balanced_accuracy_score(tested[1], tested[0] > level) for level in thresholds]
    assert found.mean_balanced_accuracy == pytest.approx(np.mean(accuracy))
    fpr, tpr, at = roc_curve(known[1], known[0], drop_intermediate=False)
    # sklearn calls abnormal what is at its threshold or above, so the same patients lie above the next score below
    best = at[np.argmax(tpr - fpr)]
    below = known[0][known[0] < best].max()
    fpr, tpr, _ = roc_curve(tested[1], tested[0], drop_intermediate=False)
    youden = np.mean(tested[0][tested[1]] > below) - np.mean(tested[0][~tested[1]] > below)
    assert found.youden_loss == pytest.approx((tpr - fpr).max() - youden)


def test_the_plateau_of_well_separated_classes_is_the_gap_between_them() -> None:
    labels = np.arange(200) < 100
    normals = np.linspace(0, 1, 100)
    gap = np.where(labels, 0, 0).astype(np.float64)
    gap[labels], gap[~labels] = 5 + normals, normals
    found = stability((gap, labels), (gap, labels))
    # from the top of the normals, or a twentieth below it, to the bottom of the abnormal, in IQRs of 1/2
    assert found.plateau_width == pytest.approx((5 - 1 + 0.05 + 0.05) / 0.5, abs=0.2)
    assert found.youden_loss == 0
    # no better than chance at any threshold: nothing to stand on
    assert stability((gap, ~labels), (gap, ~labels)).plateau_width is None


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_a_threshold_chosen_elsewhere_never_gains(seed: int) -> None:
    loss = stability(patients(seed, 10), patients(seed + 1, 10)).youden_loss
    assert loss is not None
    assert loss >= -1e-12
    own = patients(seed, 10)
    assert stability(own, own).youden_loss == pytest.approx(0)


def test_intervals_are_of_stratified_resamples_of_both_sides() -> None:
    known, tested = patients(1), patients(2)
    found = stability_intervals(known, tested, 200, 0.9, np.random.default_rng(0))
    plain = stability(known, tested)
    assert plain.mean_balanced_accuracy is not None
    low, high = found["mean_balanced_accuracy"]
    assert low < plain.mean_balanced_accuracy < high
    # a mean of 80 patients' correct calls, averaged over thresholds: a standard error of some 0.03
    assert 0.04 < high - low < 0.2
    wider = stability_intervals(known, tested, 200, 0.99, np.random.default_rng(0))
    assert wider["mean_balanced_accuracy"][0] < low
    # draws of the validation patients move the chosen threshold, draws of the tested ones what it does to them
    assert found["youden_loss"][0] >= -1e-12
    assert found["youden_loss"][1] > found["youden_loss"][0]


def test_what_is_not_defined_has_no_interval() -> None:
    constant = (np.ones(6), np.arange(6) < 3)
    rng = np.random.default_rng(0)
    assert stability_intervals(constant, (np.ones(2), np.ones(2, bool)), 10, 0.9, rng) == {}
    assert set(stability_intervals(constant, constant, 10, 0.9, rng)) == {"mean_balanced_accuracy", "youden_loss"}
