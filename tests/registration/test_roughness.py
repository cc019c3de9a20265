import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from assets.registration.roughness import UNKNOWN, no_rougher, roughness, usual_roughness

F32 = npt.NDArray[np.float32]
SIZE = 128
INSIDE = np.zeros((SIZE, SIZE), np.bool_)
INSIDE[24:104, 24:104] = True


def smooth() -> F32:
    """An affine field: nothing of it is detail."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    return np.stack([0.1 * x - 0.05 * y, 0.02 * x + 0.1 * y])


def jagged(spread: float, seed: int = 0) -> F32:
    """The same with rows that are moved against each other."""
    field = smooth()
    field[0] += np.random.default_rng(seed).normal(0, spread, (SIZE, 1)).astype(np.float32)
    return field


@given(spread=st.floats(0.2, 3), factor=st.floats(1.5, 4))
@hypothesis_settings(deadline=None, max_examples=20)
def test_roughness_grows_with_what_is_jagged_and_with_nothing_else(spread: float, factor: float) -> None:
    assert roughness(smooth(), INSIDE) < 1e-3
    once, more = roughness(jagged(spread), INSIDE), roughness(jagged(factor * spread), INSIDE)
    assert more == pytest.approx(factor * once, rel=0.02)


def test_independent_rows_are_nearly_all_detail() -> None:
    # a Gaussian of 1.5 px leaves sum(w^2) = 1 / (2 sqrt(pi) 1.5) = 0.19 of the variance and takes 2 w(0) - 0.19 = 0.34
    found = [roughness(jagged(1.0, seed), INSIDE) for seed in range(20)]
    assert np.sqrt(np.mean(np.square(found))) == pytest.approx(np.sqrt(1 - 2 * 0.266 + 0.188), rel=0.1)


def test_usual_fields_are_left_alone_and_rough_ones_made_usual() -> None:
    known = np.stack([jagged(0.2, seed) for seed in range(20)])
    usual = usual_roughness(known, INSIDE)
    assert 0 < usual[0] < usual[1]
    typical = jagged(0.15, 50)
    assert no_rougher(typical, INSIDE, usual) is typical
    rough = jagged(2.0, 51)
    calmed = no_rougher(rough, INSIDE, usual)
    assert roughness(calmed, INSIDE) <= usual[0]
    # what is smooth in it stays: the affine field is found again within a fraction of a pixel
    assert np.abs(calmed - smooth())[:, INSIDE].mean() < 0.5


def test_where_nothing_is_known_nothing_is_smoothed() -> None:
    rough = jagged(5.0)
    assert no_rougher(rough, INSIDE, UNKNOWN) is rough


def test_smoothing_is_down_the_image_alone() -> None:
    field = np.zeros((2, SIZE, SIZE), np.float32)
    field[0] = np.sin(np.arange(SIZE, dtype=np.float32))
    calmed = no_rougher(field, INSIDE, (0.0, 0.0))
    np.testing.assert_allclose(calmed, field, atol=1e-4)
