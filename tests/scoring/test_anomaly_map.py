import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from assets.scoring.anomaly_map import anomaly_maps, smooth_in_lung

F32 = npt.NDArray[np.float32]


def batch(seed: int, n: int = 2, side: int = 8) -> tuple[F32, F32, F32]:
    rng = np.random.default_rng(seed)
    images, translated = rng.uniform(-1, 1, (2, n, 1, side, side)).astype(np.float32)
    return images, translated, (rng.random((n, 1, side, side)) > 0.4).astype(np.float32)


def test_convention_white_against_black_is_one_in_units_of_the_unit_image() -> None:
    # x = 1 and G(x) = -1 are white and black, 1 and 0 of the [0, 1] image: their difference is 1.
    ones = np.ones((1, 1, 4, 4), np.float32)
    maps = anomaly_maps(ones, -ones, ones)
    assert (maps.absolute == 1).all()
    assert (maps.positive == 1).all()


def test_convention_positive_part_is_what_the_radiograph_has_too_much_of() -> None:
    ones = np.ones((1, 1, 4, 4), np.float32)
    darker = anomaly_maps(-ones, ones, ones)
    assert (darker.absolute == 1).all()
    assert (darker.positive == 0).all()


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_parts_of_both_signs_sum_to_the_absolute_map(seed: int) -> None:
    images, translated, lungs = batch(seed)
    there, back = anomaly_maps(images, translated, lungs), anomaly_maps(translated, images, lungs)
    np.testing.assert_array_equal(there.absolute, back.absolute)
    np.testing.assert_array_equal(there.absolute, there.positive + back.positive)


def test_nothing_outside_the_lungs_and_soft_masks_count_from_one_half() -> None:
    images, translated, lungs = batch(3)
    maps = anomaly_maps(images, translated, lungs)
    assert (maps.absolute[lungs[:, 0] < 0.5] == 0).all()
    soft = np.full_like(lungs, 0.5)
    soft[:, :, 0] = 0.49
    assert anomaly_maps(images, translated, soft).lungs.sum() == 2 * 7 * 8


def test_tensors_and_arrays_with_or_without_channel_agree() -> None:
    images, translated, lungs = batch(4)
    expected = anomaly_maps(images, translated, lungs)
    tensors = anomaly_maps(
        torch.from_numpy(images).requires_grad_(), torch.from_numpy(translated), torch.from_numpy(lungs)
    )
    flat = anomaly_maps(images[:, 0], translated[:, 0], (lungs[:, 0] * 2).astype(np.uint8))
    for other in (tensors, flat):
        np.testing.assert_array_equal(other.absolute, expected.absolute)
        np.testing.assert_array_equal(other.positive, expected.positive)


def test_bfloat16_translations_are_accepted() -> None:
    images, translated, lungs = (torch.from_numpy(values) for values in batch(5))
    maps = anomaly_maps(images, translated.bfloat16(), lungs)
    assert maps.absolute.dtype == np.float32


@pytest.mark.parametrize("value", [np.nan, np.inf, 1.5, 200.0])
def test_values_that_are_no_image_in_minus_one_to_one_name_their_row(value: float) -> None:
    images, translated, lungs = batch(6)
    translated[1, 0, 2, 3] = value
    with pytest.raises(ValueError, match="translated row 1"):
        anomaly_maps(images, translated, lungs)


def test_shapes_must_agree_and_have_one_channel() -> None:
    images, translated, lungs = batch(7)
    with pytest.raises(ValueError, match="must have one shape"):
        anomaly_maps(images, translated[:1], lungs)
    with pytest.raises(ValueError, match="images must be"):
        anomaly_maps(np.repeat(images, 3, axis=1), translated, lungs)


def test_smoothing_keeps_a_constant_map_up_to_the_border() -> None:
    lungs = np.zeros((64, 64), np.uint8)
    lungs[10:50, 5:30], lungs[12:50, 35:60] = 1, 2
    smoothed = smooth_in_lung(np.full((64, 64), 0.3, np.float32), lungs, 12.0)
    np.testing.assert_allclose(smoothed[lungs > 0], 0.3, rtol=1e-6)
    assert (smoothed[lungs == 0] == 0).all()


def test_smoothing_ignores_what_lies_outside_the_lungs() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((32, 32)).astype(np.float32)
    lungs = np.zeros((32, 32), np.uint8)
    lungs[8:24, 8:24] = 1
    loud = np.where(lungs > 0, values, np.float32(100))
    np.testing.assert_array_equal(smooth_in_lung(loud, lungs, 20.0), smooth_in_lung(values, lungs, 20.0))


def test_convention_sigma_is_in_pixels_at_256_as_scipy_far_from_the_border() -> None:
    rng = np.random.default_rng(1)
    values = rng.random((64, 64)).astype(np.float32)
    smoothed = smooth_in_lung(values, np.ones((64, 64), np.uint8), 8.0)
    # a sigma of 8 at 256 is 2 at 64
    np.testing.assert_allclose(smoothed[16:48, 16:48], gaussian_filter(values, 2.0)[16:48, 16:48], atol=1e-5)


def test_sigma_zero_only_masks() -> None:
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    lungs = np.eye(4, dtype=np.uint8)
    np.testing.assert_array_equal(smooth_in_lung(values, lungs, 0.0), values * lungs)
    with pytest.raises(ValueError, match="must have the shape"):
        smooth_in_lung(values, lungs[:3], 1.0)
