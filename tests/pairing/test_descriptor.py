"""Thumbnails, shapes and similarities against values known by construction."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.pairing.descriptor import (
    SHAPES,
    SIDE,
    SMALLEST_OVERLAP,
    lung_shape,
    nearness_vectors,
    similarity,
    thumbnail,
)

PAIR = np.array([[0, 1]])


def two_boxes(size: int = 64, *, left: int = 8, top: int = 16, width: int = 16, height: int = 32) -> np.ndarray:
    lungs = np.zeros((size, size), np.uint8)
    lungs[top : top + height, left : left + width] = 1
    lungs[top : top + height, size - left - width : size - left] = 2
    return lungs


def random_thumbnails(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 256, (count, SIDE, SIDE)).astype(np.uint8)
    return np.where(rng.random(values.shape) < 0.6, values, 0).astype(np.uint8)


def test_a_thumbnail_has_the_mean_of_its_cells_lung_and_nothing_elsewhere() -> None:
    image = np.full((64, 64), 0.9, np.float32)
    lungs = two_boxes()
    image[lungs == 1], image[lungs == 2] = 0.2, 0.6
    found = thumbnail(image, lungs)
    assert found.dtype == np.uint8
    cells = lungs[::2, ::2]
    expected = np.select([cells == 1, cells == 2], [round(1 + 254 * 0.2), round(1 + 254 * 0.6)], 0)
    np.testing.assert_array_equal(found, expected)


def test_half_a_cell_of_lung_counts_and_less_does_not() -> None:
    lungs = np.zeros((64, 64), np.uint8)
    lungs[0, 0:2] = 1
    lungs[10, 10] = 1
    found = thumbnail(np.zeros((64, 64), np.float32), lungs)
    # Black lung is not outside the lungs.
    assert np.argwhere(found).tolist() == [[0, 0]]
    assert found[0, 0] == 1


def test_shape_is_measured_in_canvas_heights() -> None:
    found = lung_shape(two_boxes())
    assert found.shape == (SHAPES,)
    apart = (64 - 2 * 8 - 16) / 64
    np.testing.assert_allclose(np.exp(found[:5]), [0.5, 0.25, 0.5, 0.25, apart], rtol=1e-5)
    np.testing.assert_allclose(found[5:], [0, np.log(2 * 16 * 32 / 64**2), 0], atol=1e-5)
    np.testing.assert_allclose(lung_shape(two_boxes(top=20)), found, atol=1e-6)
    assert lung_shape(two_boxes(height=36))[0] > found[0]


def test_a_missing_lung_has_no_shape() -> None:
    with pytest.raises(ValueError, match="patient-left"):
        lung_shape(np.where(two_boxes() == 1, 1, 0).astype(np.uint8))


@given(seed=st.integers(0, 99), gain=st.floats(0.2, 0.6), offset=st.integers(2, 80))
@settings(max_examples=40, deadline=None)
def test_similarity_of_another_exposure_of_the_same_is_one(seed: int, gain: float, offset: int) -> None:
    (one,) = random_thumbnails(seed, 1)
    other = np.where(one > 0, np.rint(gain * one + offset), 0).astype(np.uint8)
    assert similarity(np.stack([one, other]), PAIR)[0] == pytest.approx(1, abs=0.002)
    negative = np.where(one > 0, 256 - one.astype(int), 0).astype(np.uint8)
    assert similarity(np.stack([one, negative]), PAIR)[0] == pytest.approx(-1, abs=1e-9)


@given(seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_similarity_is_the_correlation_of_common_cells_and_symmetric(seed: int) -> None:
    thumbnails = random_thumbnails(seed, 3)
    pairs = np.array([[0, 1], [1, 0], [2, 0], [1, 1]])
    found = similarity(thumbnails, pairs)
    for (one, other), value in zip(pairs, found, strict=True):
        common = (thumbnails[one] > 0) & (thumbnails[other] > 0)
        oracle = np.corrcoef(thumbnails[one][common].astype(float), thumbnails[other][common].astype(float))[0, 1]
        assert value == pytest.approx(oracle, abs=1e-9)
    assert found[0] == found[1]


def test_similarity_is_unknown_where_little_is_common_or_nothing_varies() -> None:
    rng = np.random.default_rng(0)
    one = np.zeros((SIDE, SIDE), np.uint8)
    one.flat[: SMALLEST_OVERLAP - 1] = rng.integers(1, 256, SMALLEST_OVERLAP - 1)
    enough = one.copy()
    enough.flat[SMALLEST_OVERLAP] = 9
    flat = np.full((SIDE, SIDE), 7, np.uint8)
    full = random_thumbnails(1, 1)[0] | 1
    found = similarity(np.stack([one, enough, flat, full]), np.array([[0, 3], [1, 3], [2, 3]]))
    assert np.isnan(found).tolist() == [True, False, True]
    assert similarity(np.stack([one]), np.zeros((0, 2), np.intp)).shape == (0,)


def test_nearness_knows_appearance_by_weight_and_not_exposure() -> None:
    thumbnails = random_thumbnails(0, 8)
    brighter = np.where(thumbnails > 0, np.rint(0.5 * thumbnails + 60), 0).astype(np.uint8)
    shapes = np.random.default_rng(1).normal(size=(16, SHAPES)).astype(np.float32)
    both = np.concatenate([thumbnails, brighter])

    def distances(weight: float) -> np.ndarray:
        vectors = nearness_vectors(both, shapes, weight)
        return np.asarray(np.linalg.norm(vectors[:8, None] - vectors[None, 8:], axis=-1))

    # By appearance everybody's own brighter copy is nearest; by shape, which is drawn at random here, it is not.
    assert np.diag(distances(0.0)).max() < 0.05 < distances(0.0)[~np.eye(8, dtype=bool)].min()
    assert (distances(1.0).argmin(axis=1) != np.arange(8)).any()
    np.testing.assert_allclose(distances(0.25) ** 2, 0.75 * distances(0.0) ** 2 + 0.25 * distances(1.0) ** 2, rtol=1e-3)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_squared_distance_of_two_at_random_is_two(weight: float) -> None:
    shapes = np.random.default_rng(1).normal(size=(300, SHAPES)).astype(np.float32)
    vectors = nearness_vectors(random_thumbnails(3, 300), shapes, weight)
    squared = ((vectors[:150] - vectors[150:]) ** 2).sum(axis=1)
    assert squared.mean() == pytest.approx(2, rel=0.15)


def test_alike_radiographs_are_at_no_distance() -> None:
    one = random_thumbnails(0, 1)
    vectors = nearness_vectors(np.repeat(one, 4, axis=0), np.ones((4, SHAPES), np.float32), 0.5)
    assert np.linalg.norm(vectors - vectors[0]) == 0
