import time

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation.quality import lung_dices
from assets.segmenter.damage import bite, cut_base, jag, smooth_noise
from assets.segmenter.mask_features import FEATURES, mask_features
from assets.segmenter.mask_score import (
    ScoreModel,
    calibration_candidates,
    choose_gate,
    fit_score,
    held_out_scores,
    quality,
)
from assets.segmenter.shape_model import ShapeModel, fit_shapes

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
PHANTOM = PhantomSettings(size=128)
Measured = tuple[F64, F64, npt.NDArray[np.intp]]


def gate_rates(scores: F64, dices: F64, gate: float) -> tuple[float, float]:
    """Shares of the masks of a Dice below .85, and of those of .93 or more, whose score is below the gate."""
    bad, good = (scores[chosen] < gate for chosen in (dices < 0.85, dices >= 0.93))
    return float(bad.mean()), float(good.mean())


def seen(lungs: U8, rng: np.random.Generator) -> F32:
    """What a network might see: deformed and blurred; one time in five a base is lost, fainter, in both passes."""
    one = np.stack([lungs == 1, lungs == 2]).astype(np.float32)
    if rng.random() < 0.2:
        one *= np.where(cut_base(lungs, int(rng.integers(1, 3)), rng.uniform(0.2, 0.4)) > 0, 1, 0.3)
    y, x = np.mgrid[: lungs.shape[0], : lungs.shape[1]].astype(np.float32)
    passes = []
    for _ in range(2):
        dx, dy = (smooth_noise(lungs.shape, 0.08, rng) * 0.7 for _ in range(2))
        passes.append(
            [cv2.GaussianBlur(cv2.remap(side, x + dx, y + dy, cv2.INTER_LINEAR), (0, 0), 1.2) for side in one]
        )
    return np.asarray(passes, dtype=np.float32)


def measured(first: int, count: int, shapes: ShapeModel) -> Measured:
    features, dices, images = [], [], []
    for index in range(first, first + count):
        rng = np.random.default_rng([1, index])
        lungs = phantom_subject(index, 0, PHANTOM).lungs
        probabilities = seen(lungs, rng)
        for mask in calibration_candidates(lungs, probabilities, [], rng):
            features.append(mask_features(mask, probabilities, shapes))
            dices.append(lung_dices(mask, lungs))
            images.append(index)
    return np.array(features), np.array(dices), np.array(images)


@pytest.fixture(scope="module")
def shapes() -> ShapeModel:
    return fit_shapes(np.stack([phantom_subject(2 * index, 1, PHANTOM).lungs for index in range(20)]), 8)


@pytest.fixture(scope="module")
def held_back(shapes: ShapeModel) -> Measured:
    return measured(0, 24, shapes)


@pytest.fixture(scope="module")
def model(held_back: Measured) -> ScoreModel:
    features, dices, _ = held_back
    return fit_score(features.reshape(-1, len(FEATURES)), dices.reshape(-1))


def test_score_tells_the_dice_of_masks_never_seen_and_the_gate_holds(
    held_back: Measured, model: ScoreModel, shapes: ShapeModel
) -> None:
    features, dices, images = held_back
    gate = choose_gate(held_out_scores(features, dices, images), dices.min(axis=1))
    new_features, new_dices, _ = measured(30, 24, shapes)
    scores, worse = quality(model, new_features).min(axis=1), new_dices.min(axis=1)
    assert np.corrcoef(scores, worse)[0, 1] > 0.9
    stopped_bad, stopped_good = gate_rates(scores, worse, gate)
    assert stopped_bad >= 0.8
    assert stopped_good <= 0.05


def test_quality_is_a_dice_even_for_features_never_met(model: ScoreModel) -> None:
    rng = np.random.default_rng(0)
    wild = rng.uniform(-5, 20, (200, 2, len(FEATURES)))
    expected = quality(model, wild)
    assert expected.shape == (200, 2)
    assert np.all((expected >= 0) & (expected <= 1))


def test_missing_lungs_score_low(model: ScoreModel, shapes: ShapeModel) -> None:
    lungs = phantom_subject(40, 0, PHANTOM).lungs
    probabilities = seen(lungs, np.random.default_rng(3))
    single = np.where(lungs == 1, 1, 0).astype(np.uint8)
    right, left = quality(model, mask_features(single, probabilities, shapes))
    assert left < 0.5 < right


def test_fit_is_deterministic_and_arrays_hold_the_whole_model(held_back: Measured, model: ScoreModel) -> None:
    features, dices, _ = held_back
    again = fit_score(features.reshape(-1, len(FEATURES)), dices.reshape(-1))
    copy = ScoreModel.from_arrays(model.to_arrays())
    for other in (again, copy):
        np.testing.assert_array_equal(quality(other, features), quality(model, features))
    with pytest.raises(ValueError, match="without \\['weights'\\]"):
        ScoreModel.from_arrays({name: value for name, value in model.to_arrays().items() if name != "weights"})


def test_held_out_scores_do_not_know_their_own_image(held_back: Measured) -> None:
    features, dices, images = held_back
    scores = held_out_scores(features, dices, images)
    forged = dices.copy()
    forged[images == 0] = 1 - forged[images == 0]
    np.testing.assert_array_equal(held_out_scores(features, forged, images)[images == 0], scores[images == 0])
    assert np.any(held_out_scores(features, forged, images) != scores)
    with pytest.raises(ValueError, match="at least 2 images"):
        held_out_scores(features, dices, np.zeros_like(images))


@given(st.lists(st.tuples(st.integers(1, 99), st.floats(0, 1)), max_size=60))
@settings(max_examples=150, deadline=None)
def test_no_threshold_has_a_wider_margin_than_the_gate(pairs: list[tuple[int, float]]) -> None:
    # at least one of either class
    scores, dices = np.array([*pairs, (40, 0.5), (80, 1.0)], dtype=np.float64).T
    scores = scores / 100
    gate = choose_gate(scores, dices)
    assert 0 <= gate <= 1

    def margin(threshold: float) -> float:
        bad, good = gate_rates(scores, dices, threshold)
        return min((bad - 0.8) / 0.2, (0.05 - good) / 0.05)

    tried = [*scores, *(scores + 1e-9), 0.0, 1.0]
    assert margin(gate) >= max(margin(min(threshold, 1.0)) for threshold in tried) - 1e-9


def test_gate_lies_midway_between_separable_classes() -> None:
    scores, dices = np.array([0.3, 0.6, 0.9, 0.97]), np.array([0.5, 0.8, 0.94, 0.99])
    assert choose_gate(scores, dices) == pytest.approx(0.75)
    assert gate_rates(scores, dices, 0.75) == (1.0, 0.0)


@pytest.mark.parametrize(("dices", "gate"), [([], 0.89), ([0.95], 0.9), ([0.4], 0.815)])
def test_a_class_that_is_not_there_counts_by_its_limit(dices: list[float], gate: float) -> None:
    known = np.array(dices)
    scores = np.where(known > 0.9, 0.95, 0.7)
    assert choose_gate(scores, known) == pytest.approx(gate, abs=1e-9)


def test_candidates_start_with_the_truth_and_hold_the_graded_damages() -> None:
    lungs = phantom_subject(0, 0, PHANTOM).lungs
    probabilities = seen(lungs, np.random.default_rng(0))
    other = np.zeros_like(lungs)
    drawn = calibration_candidates(lungs, probabilities, [other], np.random.default_rng(5))
    rng = np.random.default_rng(5)
    label = int(rng.integers(1, 3))
    np.testing.assert_array_equal(drawn[0], lungs)
    np.testing.assert_array_equal(drawn[1], bite(lungs, label, 1 / 16, rng))
    np.testing.assert_array_equal(drawn[2], cut_base(lungs, label, 0.22))
    np.testing.assert_array_equal(drawn[3], jag(lungs, 1.8 / 256, rng))
    assert any(min(lung_dices(mask, lungs)) < 0.85 for mask in drawn)
    np.testing.assert_array_equal(drawn[-1], other)


def test_wrong_shapes_are_errors() -> None:
    with pytest.raises(ValueError, match=r"got \(5, 3\) and \(5,\)"):
        fit_score(np.zeros((5, 3)), np.zeros(5))


def test_scoring_a_mask_takes_less_than_a_millisecond(model: ScoreModel, held_back: Measured) -> None:
    spent = []
    for _ in range(20):
        start = time.thread_time()
        quality(model, held_back[0][0])
        spent.append(time.thread_time() - start)
    assert min(spent) < 0.001
