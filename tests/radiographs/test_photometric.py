import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assets.radiographs.photometric import apply_window, is_flat, lung_window, robust_window

F32 = npt.NDArray[np.float32]
IMAGES = arrays(np.float32, (9, 7), elements=st.floats(0, 1, width=32))


def test_robust_window_golden() -> None:
    # 101 values 0, 0.01, ..., 1: percentile p is p / 100
    image = np.linspace(0, 1, 101, dtype=np.float32).reshape(1, 101)
    assert robust_window(image, 5, 90) == pytest.approx((0.05, 0.90), abs=1e-6)


@given(image=IMAGES, gain=st.floats(0.1, 1), offset=st.floats(-1, 1))
@settings(max_examples=25, deadline=None)
def test_a_window_takes_exposure_out(image: F32, gain: float, offset: float) -> None:
    low, high = robust_window(image, 1, 99)
    if high - low < 0.05:
        return
    changed = (image * np.float32(gain) + np.float32(offset)).astype(np.float32)
    windowed = apply_window(changed, *robust_window(changed, 1, 99))
    assert np.allclose(windowed, apply_window(image, low, high), atol=1e-3)


@given(image=IMAGES)
@settings(max_examples=25, deadline=None)
def test_apply_window_agrees_with_interpolation(image: F32) -> None:
    expected = np.interp(image, (0.2, 0.7), (0.0, 1.0))
    found = apply_window(image, 0.2, 0.7)
    assert np.allclose(found, expected, atol=1e-6)
    assert found.dtype == np.float32


def test_lung_window_sees_the_lungs_only() -> None:
    image = np.full((20, 20), 0.9, dtype=np.float32)
    lungs = np.zeros((20, 20), dtype=np.uint8)
    lungs[5:15, 2:8], lungs[5:15, 12:18] = 1, 2
    image[lungs > 0] = np.linspace(0.2, 0.4, int((lungs > 0).sum()), dtype=np.float32)
    low, high = lung_window(image, lungs, 0, 100)
    assert (low, high) == pytest.approx((0.2, 0.4))
    image[0, 0] = 0.0
    assert lung_window(image, lungs, 0, 100) == (low, high)


def test_lung_window_without_lungs_is_refused() -> None:
    image = np.zeros((4, 4), dtype=np.float32)
    with pytest.raises(ValueError, match="found none"):
        lung_window(image, np.zeros((4, 4), dtype=np.uint8), 1, 99)
    with pytest.raises(ValueError, match="same shape"):
        lung_window(image, np.ones((4, 5), dtype=np.uint8), 1, 99)


@pytest.mark.parametrize(("low", "high"), [(99, 1), (5, 5), (-1, 50), (50, 101)])
def test_percentiles_out_of_order_are_refused(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="low < high"):
        robust_window(np.zeros((2, 2), dtype=np.float32), low, high)


def test_an_empty_window_is_refused() -> None:
    with pytest.raises(ValueError, match="high above low"):
        apply_window(np.zeros((2, 2), dtype=np.float32), 0.5, 0.5)


def test_black_constant_and_nearly_empty_images_are_flat() -> None:
    black = np.zeros((100, 100), dtype=np.float32)
    lettered = black.copy()
    lettered[:5, :9] = 1  # 45 of 10,000 pixels, less than the half percent above the upper percentile
    assert is_flat(black, 0.01)
    assert is_flat(black + np.float32(0.7), 0.01)
    assert is_flat(lettered, 0.01)


def test_a_faint_radiograph_is_not_flat() -> None:
    # 10 bits in a 16-bit file reach 1023 / 65535 = 0.0156 of the range.
    faint = np.linspace(0, 1023 / 65535, 10_000, dtype=np.float32).reshape(100, 100)
    assert not is_flat(faint, 0.01)
    assert is_flat(faint, 0.02)
