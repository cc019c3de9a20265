import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.shortcuts.plain import jacobian_determinant, lung_area_ratio, mean_jacobian_deviation, mean_lung_intensity

SHARES = st.floats(-0.4, 0.4)


def test_area_ratio_and_intensity() -> None:
    lungs = np.zeros((4, 5), np.uint8)
    lungs[0, :2], lungs[1, 0] = 1, 2
    image = np.arange(20, dtype=np.float32).reshape(4, 5)
    assert lung_area_ratio(lungs) == 3 / 20
    assert mean_lung_intensity(image, lungs) == pytest.approx((0 + 1 + 5) / 3)


def test_without_lungs_nothing_is_measured() -> None:
    none = np.zeros((4, 5), np.uint8)
    assert lung_area_ratio(none) == 0
    assert np.isnan(mean_lung_intensity(np.ones((4, 5), np.float32), none))
    assert np.isnan(mean_jacobian_deviation(np.zeros((2, 4, 5), np.float32), none))


@settings(deadline=None)
@given(SHARES, SHARES, SHARES, SHARES, st.floats(-9, 9))
def test_the_determinant_of_an_affine_map_is_its_matrixs(a: float, b: float, c: float, d: float, shift: float) -> None:
    rows, columns = np.mgrid[:9, :13].astype(np.float32)
    # x -> (1 + a) x + b y + shift, y -> c x + (1 + d) y
    field = np.stack([a * columns + b * rows + shift, c * columns + d * rows]).astype(np.float32)
    true = float(np.linalg.det(np.array([[1 + a, b], [c, 1 + d]])))
    assert jacobian_determinant(field) == pytest.approx(true, abs=1e-4)
    deviation = mean_jacobian_deviation(field, np.ones((9, 13), np.uint8))
    assert deviation == pytest.approx(abs(true - 1), abs=1e-4)
