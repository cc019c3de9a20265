import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from assets.registration_report.sharpness import gradient_energy, sharpness_gain

F32 = npt.NDArray[np.float32]

SIZE = 48
INSIDE = np.zeros((SIZE, SIZE), np.bool_)
INSIDE[12:36, 12:36] = True
Y, X = np.mgrid[:SIZE, :SIZE].astype(np.float32)


def copies(rng: np.random.Generator, spread: float, noise: float = 0.02, count: int = 30) -> F32:
    """Noisy copies of one texture, each shifted by a normal draw of deviation `spread` px."""
    shifts = rng.normal(0, 1, (count, 2)) * spread
    texture = [0.5 + 0.2 * np.sin(0.5 * (X - x)) * np.cos(0.4 * (Y - y)) for x, y in shifts]
    return (np.stack(texture) + rng.normal(0, noise, (count, SIZE, SIZE))).astype(np.float32)


def test_energy_of_a_ramp_is_its_squared_slope() -> None:
    ramp = (0.003 * X + 0.004 * Y).astype(np.float32)
    assert gradient_energy(ramp, INSIDE) == pytest.approx(0.003**2 + 0.004**2, rel=1e-3)


def test_energy_of_a_wave_loses_what_a_gaussian_of_one_pixel_takes() -> None:
    # sin(w x): mean squared slope w^2 / 2, each amplitude damped by exp(-w^2 / 2); 24 columns are three periods
    w = 2 * np.pi / 8
    wave = np.sin(w * X).astype(np.float32)
    assert gradient_energy(wave, INSIDE) == pytest.approx(w**2 / 2 * np.exp(-(w**2)), rel=1e-3)


@settings(deadline=None, max_examples=20)
@given(gain=st.floats(0.1, 3), offset=st.floats(-1, 1))
def test_energy_goes_with_the_square_of_the_gray_scale(gain: float, offset: float) -> None:
    image = copies(np.random.default_rng(0), 0, count=2)[0]
    changed = (gain * image + offset).astype(np.float32)
    assert gradient_energy(changed, INSIDE) == pytest.approx(gain**2 * gradient_energy(image, INSIDE), rel=1e-3)


def test_ratio_is_that_of_the_mean_images(rng: np.random.Generator) -> None:
    before, after = copies(rng, 3), copies(rng, 0.5)
    gain = sharpness_gain(before, after, INSIDE, 50, rng)
    energies = [gradient_energy(stack.mean(axis=0), INSIDE) for stack in (before, after)]
    assert gain.ratio == pytest.approx(energies[1] / energies[0], rel=1e-4)


def test_alignment_sharpens_beyond_chance_and_misalignment_blurs(rng: np.random.Generator) -> None:
    before, after = copies(rng, 3), copies(rng, 0.5)
    gain = sharpness_gain(before, after, INSIDE, 400, np.random.default_rng(1))
    assert 1 < gain.low < gain.ratio < gain.high
    loss = sharpness_gain(after, before, INSIDE, 400, np.random.default_rng(1))
    # the same resamples, turned round
    assert (loss.ratio, loss.high) == pytest.approx((1 / gain.ratio, 1 / gain.low), rel=0.02)


def test_identical_stacks_gain_exactly_nothing(rng: np.random.Generator) -> None:
    stack = copies(rng, 2)
    gain = sharpness_gain(stack, stack.copy(), INSIDE, 100, rng)
    assert (gain.ratio, gain.low, gain.high) == (1, 1, 1)


def test_order_of_both_stacks_together_does_not_matter_for_the_ratio(rng: np.random.Generator) -> None:
    before, after, order = copies(rng, 3), copies(rng, 1), rng.permutation(30)
    one = sharpness_gain(before, after, INSIDE, 20, rng)
    assert sharpness_gain(before[order], after[order], INSIDE, 20, rng).ratio == pytest.approx(one.ratio)


def test_noise_alone_shows_no_gain() -> None:
    covered = 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        before, after = (rng.normal(0.5, 0.1, (20, SIZE, SIZE)).astype(np.float32) for _ in range(2))
        gain = sharpness_gain(before, after, INSIDE, 200, rng)
        covered += gain.low <= 1 <= gain.high
    # 95 % each: seven or fewer of ten in one of 90 runs
    assert covered >= 8


def test_resamples_surround_the_ratio_though_copies_meet_in_them(rng: np.random.Generator) -> None:
    # a mean that is mostly noise before: plain resamples hold twice its noise and would draw the gain to half
    before = rng.normal(0.5, 0.1, (20, SIZE, SIZE)).astype(np.float32)
    after = copies(rng, 0.3, noise=0.1, count=20)
    gain = sharpness_gain(before, after, INSIDE, 400, rng)
    assert gain.low < gain.ratio < gain.high


def test_smoothing_by_interpolation_hardly_shows(rng: np.random.Generator) -> None:
    before = copies(rng, 0, noise=0)
    # half a pixel is where linear interpolation dims most; central differences of this texture change the same way
    after = ((before + np.roll(before, 1, axis=2)) / 2).astype(np.float32)
    noisy = [stack + np.float32(0.05) * rng.standard_normal(stack.shape, np.float32) for stack in (before, before)]
    assert sharpness_gain(before, after, INSIDE, 20, rng).ratio > 0.92
    blurred = gaussian_filter(noisy[1], (0, 0.5, 0.5))
    assert 0.9 < sharpness_gain(noisy[0], blurred, INSIDE, 20, rng).ratio < 1


def test_errors_name_what_is_wrong(rng: np.random.Generator) -> None:
    stack = copies(rng, 1, count=3)
    with pytest.raises(ValueError, match="two or more images"):
        sharpness_gain(stack[:1], stack[:1], INSIDE, 10, rng)
    with pytest.raises(ValueError, match="expected the same"):
        sharpness_gain(stack, stack[:2], INSIDE, 10, rng)
    with pytest.raises(ValueError, match="nothing to sharpen"):
        sharpness_gain(np.zeros_like(stack), stack, INSIDE, 10, rng)
    with pytest.raises(ValueError, match="region: expected a pixel"):
        gradient_energy(stack[0], ~INSIDE & INSIDE)
    with pytest.raises(ValueError, match="region: expected a pixel"):
        gradient_energy(stack[0], INSIDE[1:])
