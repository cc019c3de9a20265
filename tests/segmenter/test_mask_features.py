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
from assets.segmenter.damage import cut_base, damaged, jag, shift
from assets.segmenter.mask_features import FEATURES, OVERLAPS, mask_features
from assets.segmenter.shape_model import ShapeModel, fit_shapes

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
PHANTOM = PhantomSettings(size=128)
DISTANCES = ("ends_from_network", "outline_distance")


@pytest.fixture(scope="module")
def lungs() -> U8:
    return phantom_subject(0, 0, PHANTOM).lungs


@pytest.fixture(scope="module")
def shapes() -> ShapeModel:
    return fit_shapes(np.stack([phantom_subject(2 * index, 0, PHANTOM).lungs for index in range(8)]), 6)


def certain(lungs: U8) -> F32:
    """Two passes that see exactly these lungs."""
    one = np.stack([lungs == 1, lungs == 2]).astype(np.float32)
    return np.stack([one, one])


def blurred(lungs: U8, sigma: float) -> F32:
    return np.stack([[cv2.GaussianBlur(side, (0, 0), sigma) for side in one] for one in certain(lungs)])


def column(features: F64, name: str) -> F64:
    return features[:, FEATURES.index(name)]


def test_at_most_twelve_named_columns(lungs: U8, shapes: ShapeModel) -> None:
    assert len(FEATURES) <= 12
    assert len(set(FEATURES)) == len(FEATURES)
    assert mask_features(lungs, certain(lungs), shapes).shape == (2, len(FEATURES))


def test_perfect_agreement_gives_the_best_values(lungs: U8, shapes: ShapeModel) -> None:
    features = mask_features(lungs, certain(lungs), shapes)
    for name in ("network_dice", "expected_dice", "passes_dice", "network_certainty"):
        np.testing.assert_allclose(column(features, name), 1)
    for name in DISTANCES:
        np.testing.assert_allclose(column(features, name), 0)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_mask_beats_perfect_agreement(lungs: U8, shapes: ShapeModel, seed: int) -> None:
    best = mask_features(lungs, certain(lungs), shapes)
    found = mask_features(damaged(lungs, np.random.default_rng(seed)), certain(lungs), shapes)
    assert np.isfinite(found).all()
    for name in ("network_dice", "expected_dice"):
        assert np.all(column(found, name) <= column(best, name) + 1e-6)
    for name in DISTANCES:
        assert np.all((column(found, name) >= 0) & (column(found, name) <= 1))
    for name in OVERLAPS:
        assert np.all((column(found, name) >= 0) & (column(found, name) <= 1 + 1e-6))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_mirroring_the_patient_exchanges_the_rows(lungs: U8, shapes: ShapeModel, seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask, seen = damaged(lungs, rng), np.clip(blurred(damaged(lungs, rng), 2), 0, 1)
    mirrored = np.array([0, 2, 1], np.uint8)[mask[:, ::-1]]
    exchanged = np.ascontiguousarray(seen[:, ::-1, :, ::-1])
    found, other = mask_features(mask, seen, shapes), mask_features(mirrored, exchanged, shapes)
    np.testing.assert_allclose(other[::-1], found, atol=1e-5)


def test_network_dice_is_the_dice_with_the_thresholded_mean(lungs: U8, shapes: ShapeModel) -> None:
    mask = cut_base(lungs, 1, 0.3)
    features = mask_features(mask, certain(lungs), shapes)
    np.testing.assert_allclose(column(features, "network_dice"), lung_dices(mask, lungs))
    assert column(features, "network_dice")[0] < 0.95


def test_expected_dice_is_its_formula(lungs: U8, shapes: ShapeModel) -> None:
    seen = blurred(lungs, 4)
    mask = shift(lungs, 1, 0.03, 0.0)
    features = column(mask_features(mask, seen, shapes), "expected_dice")
    for k in (0, 1):
        p, m = seen[:, k].mean(axis=0).astype(np.float64), (mask == k + 1).astype(np.float64)
        assert features[k] == pytest.approx(2 * (p * m).sum() / (p.sum() + m.sum()), rel=1e-5)


def test_doubt_and_disagreement_of_the_network_show(lungs: U8, shapes: ShapeModel) -> None:
    sharp, soft = (mask_features(lungs, blurred(lungs, sigma), shapes) for sigma in (1, 6))
    assert np.all(column(soft, "network_certainty") < column(sharp, "network_certainty"))
    torn = certain(lungs)
    torn[1] = certain(cut_base(lungs, 2, 0.4))[1]
    passes = column(mask_features(lungs, torn, shapes), "passes_dice")
    assert passes[0] == 1
    assert passes[1] < 0.9


def test_ends_tell_how_far_the_base_is_off(lungs: U8, shapes: ShapeModel) -> None:
    rows = int((lungs == 1).any(axis=1).sum())
    features = mask_features(cut_base(lungs, 1, 0.3), certain(lungs), shapes)
    np.testing.assert_allclose(column(features, "ends_from_network"), [round(0.3 * rows) / 128, 0])
    both = column(features, "ends_from_other_lung")
    assert both[0] == both[1]


def test_rough_outlines_show(lungs: U8, shapes: ShapeModel) -> None:
    rough = mask_features(jag(lungs, 1.8 / 128, np.random.default_rng(0)), certain(lungs), shapes)
    smooth = mask_features(lungs, certain(lungs), shapes)
    assert np.all(column(rough, "roughness") > 1.5 * column(smooth, "roughness"))


def test_outline_distance_is_that_of_a_shift(lungs: U8, shapes: ShapeModel) -> None:
    moved = shift(lungs, 1, 8 / 128, 0.0)
    found = column(mask_features(moved, certain(lungs), shapes), "outline_distance")[0]
    assert found == pytest.approx(8 / 128, rel=0.15)


def test_missing_lungs_have_the_worst_values(lungs: U8, shapes: ShapeModel) -> None:
    empty = np.zeros_like(lungs)
    for mask, seen in ((empty, certain(lungs)), (lungs, certain(empty)), (empty, certain(empty))):
        features = mask_features(mask, seen, shapes)
        assert np.isfinite(features).all()
        assert np.all(column(features, "network_dice") == 0)
        for name in DISTANCES:
            assert np.all(column(features, name) == 1)
    assert np.all(column(mask_features(empty, certain(lungs), shapes), "roughness") == 1)


def test_probabilities_of_another_grid_are_an_error(lungs: U8, shapes: ShapeModel) -> None:
    with pytest.raises(ValueError, match=r"expected shape \(2, 2, 128, 128\), got \(2, 128, 128\)"):
        mask_features(lungs, certain(lungs)[0], shapes)


def test_a_mask_takes_milliseconds(shapes: ShapeModel) -> None:
    lungs = phantom_subject(0, 0, PhantomSettings()).lungs
    seen, spent = blurred(lungs, 2), []
    for _ in range(15):
        start = time.thread_time()
        mask_features(lungs, seen, shapes)
        spent.append(time.thread_time() - start)
    # Ten times what it takes on a slow core.
    assert min(spent) < 0.08
