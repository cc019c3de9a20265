import numpy as np
import numpy.typing as npt
import pytest

from assets.prealignment.extension import fill, fill_pyramid

F32 = npt.NDArray[np.float32]


def disk(height: int = 96, width: int = 80) -> F32:
    y, x = np.mgrid[:height, :width]
    return np.asarray(np.hypot(x - 40, y - 48) < 20, dtype=np.float32)


def noise(seed: int, low: float = 0.0, high: float = 1.0) -> F32:
    return np.random.default_rng(seed).uniform(low, high, (2, 96, 80)).astype(np.float32)


@pytest.mark.parametrize("shape", [(96, 80), (97, 61)])
def test_a_constant_is_extended_unchanged(shape: tuple[int, int]) -> None:
    weights = disk(*shape)
    filled = fill(np.stack([3.5 * weights, -weights]), fill_pyramid(weights))
    assert filled.dtype == np.float32
    np.testing.assert_allclose(filled[0], 3.5, atol=1e-5)
    np.testing.assert_allclose(filled[1], -1, atol=1e-5)


@pytest.mark.parametrize("blur", [0.0, 4.0])
def test_values_stay_within_the_known_range(blur: float) -> None:
    weights, values = disk(), noise(0, -2, 5)
    filled = fill(weights * values, fill_pyramid(weights), blur)
    known = values[:, weights > 0]
    assert filled.min() >= known.min() - 1e-4
    assert filled.max() <= known.max() + 1e-4


def test_extension_is_linear_in_the_values() -> None:
    weights = disk()
    pyramid = fill_pyramid(weights)
    a, b = weights * noise(1), weights * noise(2)
    np.testing.assert_allclose(fill(2 * a - b, pyramid), 2 * fill(a, pyramid) - fill(b, pyramid), atol=1e-4)


def test_channels_do_not_mix() -> None:
    weights = disk()
    pyramid, values = fill_pyramid(weights), weights * noise(3)
    np.testing.assert_array_equal(fill(values, pyramid)[::-1], fill(values[::-1], pyramid))


def test_blur_smooths_the_extension() -> None:
    weights = disk()
    pyramid, values = fill_pyramid(weights), weights * noise(2)
    outside = weights[:, 1:] == 0
    rough, smooth = (np.abs(np.diff(fill(values, pyramid, blur), axis=2))[:, outside] for blur in (0.0, 6.0))
    assert smooth.mean() < rough.mean()


def test_known_values_stay_and_half_trusted_ones_are_mixed() -> None:
    weights = disk()
    values = noise(3)
    np.testing.assert_allclose(fill(weights * values, fill_pyramid(weights))[:, weights == 1], values[:, weights == 1])
    # all the rest says 1, so a pixel of 3 with weight 1/2 becomes a mixture: 1/2 * 3 + 1/2 * about 1
    weights[48, 40] = 0.5
    lone = np.where(weights == 0.5, 3, 1)[None] * weights
    assert fill(lone.astype(np.float32), fill_pyramid(weights))[0, 48, 40] == pytest.approx(2, abs=0.3)


def test_nothing_known_is_an_error() -> None:
    with pytest.raises(ValueError, match="weights"):
        fill_pyramid(np.zeros((16, 16), np.float32))
