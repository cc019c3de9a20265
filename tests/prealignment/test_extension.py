import numpy as np
import numpy.typing as npt
import pytest

from assets.prealignment.extension import blend, fill, fill_pyramid

F32 = npt.NDArray[np.float32]


def disk(height: int = 96, width: int = 80) -> F32:
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.hypot(x - 40, y - 48) < 20, dtype=np.float32)


def test_a_constant_is_extended_unchanged() -> None:
    weights = disk()
    filled = fill(np.full((96, 80, 2), 3.5, np.float32), fill_pyramid(weights))
    np.testing.assert_allclose(filled, 3.5, atol=1e-5)


@pytest.mark.parametrize("blur", [0.0, 4.0])
def test_values_stay_within_the_known_range(blur: float) -> None:
    weights = disk()
    values = np.random.default_rng(0).uniform(-2, 5, (96, 80, 2)).astype(np.float32)
    filled = fill(values, fill_pyramid(weights), blur)
    known = values[weights > 0]
    assert filled.min() >= known.min() - 1e-4
    assert filled.max() <= known.max() + 1e-4


def test_unknown_values_are_not_read() -> None:
    weights = disk()
    values = np.ones((96, 80, 2), np.float32)
    spoiled = np.where(weights[..., None] > 0, values, 1e6).astype(np.float32)
    pyramid = fill_pyramid(weights)
    np.testing.assert_array_equal(fill(values, pyramid), fill(spoiled, pyramid))


def test_extension_is_linear_in_the_values() -> None:
    pyramid = fill_pyramid(disk())
    a, b = np.random.default_rng(1).random((2, 96, 80, 2)).astype(np.float32)
    np.testing.assert_allclose(fill(2 * a - b, pyramid), 2 * fill(a, pyramid) - fill(b, pyramid), atol=1e-4)


def test_blur_smooths_the_extension() -> None:
    values = np.random.default_rng(2).random((96, 80, 2)).astype(np.float32)
    pyramid = fill_pyramid(disk())
    rough, smooth = fill(values, pyramid), fill(values, pyramid, blur=6)
    assert np.abs(np.diff(smooth, axis=1)).max() < np.abs(np.diff(rough, axis=1)).max()


def test_blend_keeps_known_values() -> None:
    weights = disk()
    values = np.random.default_rng(3).random((96, 80, 2)).astype(np.float32)
    pyramid = fill_pyramid(weights)
    blended = blend(values, fill(values, pyramid), pyramid)
    np.testing.assert_allclose(blended[weights == 1], values[weights == 1], atol=1e-6)


def test_nothing_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="weights"):
        fill_pyramid(np.zeros((16, 16), np.float32))
