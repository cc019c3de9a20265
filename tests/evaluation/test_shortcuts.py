import numpy as np
import pytest

from assets.evaluation.shortcuts import (
    lung_area_ratio,
    mean_jacobian_deviation,
    mean_lung_intensity,
    shortcut_aucs,
    strongest,
)


def test_areas_by_name_and_the_strongest_in_either_direction() -> None:
    labels = [0, 0, 0, 1, 1, 1]
    found = shortcut_aucs({"weak": [1, 2, 3, 2, 3, 4], "smaller": [6, 5, 4, 3, 2, 1], "lost": [np.nan] * 6}, labels)
    assert [shortcut.name for shortcut in found] == ["weak", "smaller", "lost"]
    # of nine pairs 2 > 1 and ties at 2: 1.5; 3 > 1, 3 > 2 and a tie: 2.5; 4 above all: 3; together 7
    assert found[0].auc is not None
    assert found[0].auc.area == pytest.approx(7 / 9)
    assert (found[1].strength, found[2].auc, found[2].strength) == (1, None, None)
    assert "not finite" in found[2].reason
    assert strongest(found) is found[1]


def test_no_defined_shortcut() -> None:
    assert strongest([]) is None
    assert strongest(shortcut_aucs({"a": [1.0, 2.0]}, [1, 1])) is None


def test_area_ratio_and_intensity() -> None:
    lungs = np.zeros((4, 5), np.uint8)
    lungs[0, :2], lungs[1, 0] = 1, 2
    image = np.arange(20, dtype=np.float32).reshape(4, 5)
    assert lung_area_ratio(lungs) == 3 / 20
    assert mean_lung_intensity(image, lungs) == pytest.approx((0 + 1 + 5) / 3)
    assert np.isnan(mean_lung_intensity(image, np.zeros_like(lungs)))
    assert np.isnan(mean_jacobian_deviation(np.zeros((2, 4, 5), np.float32), np.zeros_like(lungs)))


def test_a_translation_changes_no_area_and_a_scaling_does() -> None:
    rows, columns = np.mgrid[:20, :30].astype(np.float32)
    lungs = np.ones((20, 30), np.uint8)
    assert mean_jacobian_deviation(np.full((2, 20, 30), 3.5, np.float32), lungs) == 0
    # x -> 1.2 x and y -> 0.9 y: det J = 1.08
    scaling = np.stack([0.2 * columns, -0.1 * rows])
    assert mean_jacobian_deviation(scaling, lungs) == pytest.approx(0.08, abs=1e-5)


def test_convention_channel_zero_is_x_in_the_jacobian() -> None:
    rows, columns = np.mgrid[:20, :30].astype(np.float32)
    lungs = np.ones((20, 30), np.uint8)
    # a shear x -> x + 0.3 y keeps areas; read with its axes exchanged it would scale them
    assert mean_jacobian_deviation(np.stack([0.3 * rows, 0 * rows]), lungs) == pytest.approx(0, abs=1e-6)
    # x -> x + 0.3 y, y -> y + 0.2 x: det J = 1 - 0.06
    both = np.stack([0.3 * rows, 0.2 * columns])
    assert mean_jacobian_deviation(both, lungs) == pytest.approx(0.06, abs=1e-5)
