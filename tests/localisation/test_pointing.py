import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.localisation.pointing import area_share, contrast_to_noise, energy_inside, pointing_game

Mask = npt.NDArray[np.bool_]


def scene() -> tuple[Mask, Mask]:
    lungs = np.zeros((32, 32), np.bool_)
    lungs[4:28, 4:28] = True
    target = np.zeros((32, 32), np.bool_)
    target[10:16, 10:16] = True
    return lungs, target


def test_the_peak_decides() -> None:
    lungs, target = scene()
    perfect = target.astype(np.float32)
    assert pointing_game(perfect, target, lungs, 0.0) == 1.0
    assert pointing_game(perfect, target, lungs, 3.0) == 1.0
    assert pointing_game(1 - perfect, target, lungs, 0.0) == 0.0


@pytest.mark.parametrize("sigma", [0.0, 24.0])
@pytest.mark.parametrize("level", [0.0, 0.1])
def test_a_constant_map_points_at_chance(sigma: float, level: float) -> None:
    # 36 pixels of 576: 1 / 16
    lungs, target = scene()
    values = np.full((32, 32), level, np.float32)
    assert area_share(target, lungs) == 1 / 16
    assert pointing_game(values, target, lungs, sigma) == pytest.approx(1 / 16)
    assert energy_inside(values, target, lungs) == pytest.approx(1 / 16)
    assert contrast_to_noise(values, target, lungs) == 0.0


def test_two_equal_peaks_share_the_hit() -> None:
    lungs, target = scene()
    values = np.zeros((32, 32), np.float32)
    values[12, 12] = values[20, 20] = 1
    assert pointing_game(values, target, lungs, 0.0) == 0.5


def test_the_peak_outside_the_lungs_does_not_count() -> None:
    lungs, target = scene()
    values = target.astype(np.float32)
    values[0, 0] = 9
    assert pointing_game(values, target, lungs, 0.0) == 1.0
    assert energy_inside(values, target, lungs) == 1.0


def test_smoothing_overrules_a_single_noisy_pixel() -> None:
    lungs, target = scene()
    values = target.astype(np.float32)
    values[24, 24] = 1.5
    assert pointing_game(values, target, lungs, 0.0) == 0.0
    assert pointing_game(values, target, lungs, 12.0) == 1.0


def test_a_target_beside_the_lungs_is_missed() -> None:
    lungs, _ = scene()
    values = np.ones((32, 32), np.float32)
    beside = ~lungs
    assert pointing_game(values, beside, lungs, 3.0) == 0.0
    assert energy_inside(values, beside, lungs) == 0.0
    assert contrast_to_noise(values, beside, lungs) is None
    assert contrast_to_noise(values, lungs, lungs) is None


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100), st.floats(-1, 1))
def test_contrast_is_in_spreads_and_does_not_know_the_unit(seed: int, unit: float, shift: float) -> None:
    lungs, target = scene()
    values = np.random.default_rng(seed).random((32, 32)).astype(np.float32) + target
    inside, beside = values[target].astype(np.float64), values[lungs & ~target].astype(np.float64)
    expected = (inside.mean() - beside.mean()) / np.sqrt(inside.var() + beside.var())
    assert contrast_to_noise(values.astype(np.float32), target, lungs) == pytest.approx(expected, rel=1e-5)
    other = (unit * (values + shift)).astype(np.float32)
    assert contrast_to_noise(other, target, lungs) == pytest.approx(expected, rel=1e-3)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_energy_of_parts_adds_up(seed: int) -> None:
    lungs, target = scene()
    values = np.random.default_rng(seed).random((32, 32)).astype(np.float32)
    assert energy_inside(values, target, lungs) + energy_inside(values, ~target, lungs) == pytest.approx(1)
    assert energy_inside(values, target, lungs) == pytest.approx(values[target].sum() / values[lungs].sum(), rel=1e-5)


def test_without_lungs_nothing_is_measured() -> None:
    _, target = scene()
    values, nowhere = np.ones((32, 32), np.float32), np.zeros_like(target)
    with pytest.raises(ValueError, match="lungs must have a pixel"):
        energy_inside(values, target, nowhere)
    with pytest.raises(ValueError, match="lungs must have a pixel"):
        pointing_game(values, target, nowhere, 1.0)
