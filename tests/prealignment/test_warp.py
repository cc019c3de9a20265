import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

from assets.prealignment.warp import compose, dequantize, quantize, sample, warp_image, warp_lungs

F32 = npt.NDArray[np.float32]
SIDE = 64


def smooth_field(seed: int, amplitude: float = 4.0) -> F32:
    noise = np.random.default_rng(seed).standard_normal((2, SIDE, SIDE))
    field = np.stack([gaussian_filter(channel, 8) for channel in noise])
    return np.asarray(field * (amplitude / np.abs(field).max()), dtype=np.float32)


def smooth_image(seed: int) -> F32:
    image = gaussian_filter(np.random.default_rng(seed).random((SIDE, SIDE)), 3)
    return np.asarray((image - image.min()) / np.ptp(image), dtype=np.float32)


def constant(x: float, y: float) -> F32:
    return np.stack([np.full((SIDE, SIDE), x), np.full((SIDE, SIDE), y)]).astype(np.float32)


def test_zero_displacement_returns_the_image() -> None:
    image = smooth_image(0)
    np.testing.assert_allclose(warp_image(image, constant(0, 0)), image, atol=1e-6)


def test_convention_channel_0_is_x_and_the_map_is_backward() -> None:
    image = smooth_image(0)
    warped = warp_image(image, constant(3, 0))
    np.testing.assert_allclose(warped[:, :-3], image[:, 3:], atol=1e-6)
    warped = warp_image(image, constant(0, 3))
    np.testing.assert_allclose(warped[:-3], image[3:], atol=1e-6)


def test_convention_border_is_replicated() -> None:
    image = smooth_image(0)
    np.testing.assert_allclose(warp_image(image, constant(500, 0)), np.repeat(image[:, -1:], SIDE, axis=1), atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1])
def test_warp_agrees_with_scipy(seed: int) -> None:
    image, field = smooth_image(seed), smooth_field(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    expected = map_coordinates(image, [y + field[1], x + field[0]], order=1, mode="nearest")
    np.testing.assert_allclose(warp_image(image, field), expected, atol=1e-5)


def test_warp_agrees_with_simpleitk() -> None:
    image, field = smooth_image(2), smooth_field(2)
    vectors = sitk.GetImageFromArray(np.moveaxis(field, 0, -1).astype(np.float64), isVector=True)
    transform = sitk.DisplacementFieldTransform(vectors)  # type: ignore[no-untyped-call]
    source = sitk.GetImageFromArray(image)
    expected = sitk.GetArrayFromImage(sitk.Resample(source, source, transform, sitk.sitkLinear))
    np.testing.assert_allclose(warp_image(image, field)[6:-6, 6:-6], expected[6:-6, 6:-6], atol=1e-4)


def test_one_warp_by_the_composed_field_equals_two_warps() -> None:
    image, outer, inner = smooth_image(3), smooth_field(3), smooth_field(4)
    twice = warp_image(warp_image(image, outer), inner)
    once = warp_image(image, compose(outer, inner))
    # near the border the two differ by design: the second warp replicates the first one's border
    assert np.abs(once - twice)[10:-10, 10:-10].max() < 0.02


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_composition_is_associative_away_from_the_border(seed: int) -> None:
    a, b, c = (smooth_field(seed + offset, 2.0) for offset in range(3))
    left, right = compose(compose(a, b), c), compose(a, compose(b, c))
    np.testing.assert_allclose(left[:, 8:-8, 8:-8], right[:, 8:-8, 8:-8], atol=0.05)


def test_convention_compose_applies_inner_to_the_output_grid_first() -> None:
    # outer doubles x, inner moves by 3: T_outer(T_inner(p)) = 2 (x + 3), so u = x + 6; the other order gives x + 3
    outer = constant(0, 0)
    outer[0] = np.arange(SIDE)
    composed = compose(outer, constant(3, 0))
    assert composed[0, 0, 10] == pytest.approx(16)


def test_sample_reads_bilinearly_between_pixel_centers() -> None:
    field = constant(0, 0)
    field[0] = np.arange(SIDE)
    field[1] = np.arange(SIDE)[:, None] * 2
    points = np.array([[1.25, 2.5], [63.0, 63.0], [-5.0, 80.0]])
    np.testing.assert_allclose(sample(field, points), np.array([[1.25, 5.0], [63.0, 126.0], [0.0, 126.0]]))


def test_sample_agrees_with_scipy() -> None:
    field = smooth_field(5)
    points = np.random.default_rng(0).uniform(0, SIDE - 1, (50, 2))
    expected = np.stack([map_coordinates(channel, points[:, ::-1].T, order=1) for channel in field], axis=1)
    np.testing.assert_allclose(sample(field, points), expected, atol=1e-5)


def test_lungs_keep_their_labels_and_move_with_the_image() -> None:
    lungs = np.zeros((SIDE, SIDE), np.uint8)
    lungs[10:40, 8:24], lungs[10:40, 36:52] = 1, 2
    warped = warp_lungs(lungs, constant(2, -3))
    expected = np.zeros_like(lungs)
    expected[13:43, 6:22], expected[13:43, 34:50] = 1, 2
    np.testing.assert_array_equal(warped, expected)


def test_no_lung_is_replicated_from_the_image_border() -> None:
    lungs = np.ones((SIDE, SIDE), np.uint8)
    assert not warp_lungs(lungs, constant(40, 0))[:, 30:].any()


def test_quantized_field_is_within_half_a_step() -> None:
    field = smooth_field(6, 30)
    assert quantize(field).dtype == np.int16
    assert np.abs(dequantize(quantize(field)) - field).max() <= 1 / 128 + 1e-6


@pytest.mark.parametrize("value", [513.0, -513.0, np.nan, np.inf])
def test_quantize_rejects_what_16_bits_cannot_hold(value: float) -> None:
    with pytest.raises(ValueError, match="displacement"):
        quantize(constant(value, 0))


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="displacement"):
        warp_image(smooth_image(0), np.zeros((SIDE, SIDE, 2), np.float32))
    with pytest.raises(ValueError, match="points"):
        sample(constant(0, 0), np.zeros(2))
