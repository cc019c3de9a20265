import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.evaluation.roc import Undefined, auc
from assets.shortcuts.supervised import crossfitted_scores, fitted_scores, require_classes

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
STRENGTH = 3.0


def drawn(seed: int, count: int = 120, width: int = 6, shift: float = 1.5) -> tuple[F64, Bools]:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 2 == 1
    features = rng.normal(size=(count, width))
    features[labels, 0] += shift
    return features, labels


def test_what_one_feature_tells_is_found_among_noise() -> None:
    features, labels = drawn(0)
    asked, truth = drawn(1)
    scores = fitted_scores(features, labels, asked, STRENGTH)
    assert auc(scores, truth).area > 0.75
    # The label's own feature is the best that there is.
    assert auc(scores, truth).area <= auc(asked[:, 0], truth).area + 0.05


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.floats(0.01, 100), st.floats(-50, 50))
def test_units_of_the_features_do_not_matter(seed: int, scale: float, offset: float) -> None:
    features, labels = drawn(seed, 60)
    asked, _ = drawn(seed + 1, 20)
    plain = fitted_scores(features, labels, asked, STRENGTH)
    other = fitted_scores(scale * features + offset, labels, scale * asked + offset, STRENGTH)
    assert other == pytest.approx(plain, abs=1e-3)


def test_a_constant_feature_and_one_that_is_there_twice_change_little() -> None:
    features, labels = drawn(3)
    asked, truth = drawn(4)
    assert np.ptp(fitted_scores(np.ones((120, 2)), labels, np.ones((20, 2)), STRENGTH)) == 0
    twice = fitted_scores(np.hstack([features, features]), labels, np.hstack([asked, asked]), STRENGTH)
    once = fitted_scores(features, labels, asked, STRENGTH)
    assert auc(twice, truth).area == pytest.approx(auc(once, truth).area, abs=0.02)


def test_the_penalty_shrinks_the_scores() -> None:
    features, labels = drawn(5)
    spreads = [np.ptp(fitted_scores(features, labels, features, strength)) for strength in (0.01, 1.0, 100.0)]
    assert spreads == sorted(spreads)


def test_a_patients_radiographs_never_help_to_score_each_other() -> None:
    rng = np.random.default_rng(6)
    # Each patient has a face of its own and a coin's label: what is learned of one says nothing of another.
    faces, coins = rng.normal(size=(40, 60)), np.arange(40) % 2 == 0
    patients = np.repeat(np.arange(40), 4).astype(str)
    features, labels = np.repeat(faces, 4, axis=0) + 0.01 * rng.normal(size=(160, 60)), np.repeat(coins, 4)
    assert auc(fitted_scores(features, labels, features, STRENGTH), labels).area > 0.99
    crossed = crossfitted_scores(features, labels, patients, STRENGTH, 5)
    assert np.isfinite(crossed).all()
    assert auc(crossed, labels).area < 0.75


def test_crossfitting_finds_what_all_patients_share() -> None:
    features, labels = drawn(7)
    crossed = crossfitted_scores(features, labels, np.arange(120).astype(str), STRENGTH, 4)
    assert auc(crossed, labels).area > 0.75


def test_a_regression_needs_patients_of_both_classes() -> None:
    labels = np.array([True] * 3 + [False] * 6)
    patients = np.array(["a", "b", "c", *"defghi"])
    assert require_classes(labels, patients, 3) == 9
    with pytest.raises(Undefined, match="got 3 and 6"):
        require_classes(labels, patients, 4)
    # Three radiographs of one patient are one patient.
    with pytest.raises(Undefined, match="got 1 and 6"):
        require_classes(labels, np.array(["a", "a", "a", *"defghi"]), 2)
