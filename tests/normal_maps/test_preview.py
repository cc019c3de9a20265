import numpy as np
import pytest

from assets.normal_maps.preview import normals_sheet
from assets.translation.moments import Usual


def test_a_tile_for_mean_and_spread_of_every_arm() -> None:
    rng = np.random.default_rng(0)
    found = [Usual(rng.random((32, 32), np.float32), rng.random((32, 32), np.float32), 0.1) for _ in range(3)]
    counts = [np.full((32, 32), float(number)) for number in range(3)]
    sheet = normals_sheet(found, counts, ["a", "b", "c"])
    assert sheet.dtype == np.uint8
    one = normals_sheet(found[:1], counts[1:2], ["a"])
    assert sheet.shape[1] > 1.8 * one.shape[1]
    assert sheet.shape[0] > 1.8 * one.shape[0]


def test_an_arm_without_normals_or_spread_is_drawn_all_the_same() -> None:
    nothing = np.zeros((32, 32), np.float32)
    assert normals_sheet([Usual(nothing, nothing, 0.0)], [np.zeros((32, 32))], ["empty"]).any()


def test_no_arm_is_refused() -> None:
    with pytest.raises(ValueError, match="a sheet needs a tile"):
        normals_sheet([], [], [])
