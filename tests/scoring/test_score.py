from typing import get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy.ndimage import distance_transform_edt, gaussian_filter

from assets.scoring.anomaly_map import smooth_in_lung
from assets.scoring.score import (
    KINDS,
    REDUCERS,
    SCORE_NAMES,
    Region,
    ScoreName,
    mean,
    regions,
    score_columns,
    score_name,
    top_mean,
)
from assets.scoring.settings import ScoringSettings
from assets.tables.translation import ANOMALY_MAPS

F32 = npt.NDArray[np.float32]
DEFAULT = ScoringSettings()
EVERYWHERE = np.ones((10, 10), np.bool_)


def ramp() -> F32:
    """100 lung pixels: |d| of the differences -0.50, -0.49, ..., 0.49."""
    return np.abs((np.arange(100) - 50) / 100).reshape(10, 10).astype(np.float32)


def test_scores_of_a_ramp() -> None:
    score = score_columns(ramp(), EVERYWHERE, "absolute", DEFAULT)
    # It holds 0.50 once, 0.01 to 0.49 twice and 0 once: sum 0.5 + 2 * 0.01 * 49 * 50 / 2 = 25, mean 0.25.
    assert score["score_mean"] == pytest.approx(0.25, abs=1e-6)
    # The highest five: 0.50, 0.49, 0.49, 0.48, 0.48.
    assert score["score_top5"] == pytest.approx(0.488, abs=1e-6)
    # Between the 99th and the 100th of 100 values, at 0.01 of the way: 0.49 + 0.01 * 0.01.
    assert score["score_p99"] == pytest.approx(0.4901, abs=1e-6)


def test_max_is_that_of_the_smoothed_map() -> None:
    values = np.random.default_rng(0).random((64, 64), np.float32)
    lungs = np.zeros((64, 64), np.bool_)
    lungs[8:56, 8:56] = True
    score = score_columns(values, lungs, "absolute", DEFAULT)
    assert score["score_max"] == pytest.approx(smooth_in_lung(values, lungs, 3.0)[lungs].max())
    assert score["score_max"] < values[lungs].max()
    sharp = score_columns(values, lungs, "absolute", ScoringSettings(max_sigma=0))
    assert sharp["score_max"] == values[lungs].max()


def test_top_share_is_a_setting() -> None:
    whole = score_columns(ramp(), EVERYWHERE, "absolute", ScoringSettings(top_share=1.0))
    assert whole["score_top5"] == pytest.approx(whole["score_mean"])
    one = score_columns(ramp(), EVERYWHERE, "absolute", ScoringSettings(top_share=0.01))
    assert one["score_top5"] == pytest.approx(0.5)


def test_pixels_outside_the_lungs_change_nothing() -> None:
    values = np.random.default_rng(0).random((16, 16), np.float32)
    lungs = np.zeros((16, 16), np.bool_)
    lungs[4:12, 4:12] = True
    other = np.where(lungs, values, -7 * values).astype(np.float32)
    assert score_columns(values, lungs, "positive", DEFAULT) == score_columns(other, lungs, "positive", DEFAULT)


@given(st.floats(-3, 3, width=32))
@settings(max_examples=20, deadline=None)
def test_a_constant_map_has_its_value_for_every_score(value: float) -> None:
    constant = np.full((10, 10), value, np.float32)
    found = score_columns(constant, EVERYWHERE, "absolute", DEFAULT, z=True)
    assert list(found.values()) == pytest.approx([value] * len(REDUCERS), abs=1e-5)


@given(st.integers(0, 1000), st.floats(0.1, 5))
@settings(max_examples=20, deadline=None)
def test_scores_scale_with_the_map_and_are_ordered(seed: int, factor: float) -> None:
    values = np.random.default_rng(seed).random((12, 12), np.float32)
    lungs = np.random.default_rng(seed + 1).random((12, 12)) < 0.7
    once, scaled = (score_columns((by * values).astype(np.float32), lungs, "absolute", DEFAULT) for by in (1.0, factor))
    for name, value in once.items():
        assert scaled[name] == pytest.approx(factor * value, rel=1e-4)
    assert once["score_mean"] <= once["score_top5"] <= values[lungs].max() + 1e-6
    assert once["score_max"] <= values[lungs].max() + 1e-6


def test_empty_lungs_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one lung pixel"):
        score_columns(ramp(), ~EVERYWHERE, "absolute", DEFAULT)


def test_names_are_the_columns_of_the_manifest() -> None:
    made: list[str] = []
    for of in get_args(Region):
        made += [score_name(reducer, kind, z=z, of=of) for z in (False, True) for kind in KINDS for reducer in REDUCERS]
        made += [score_name(reducer, "contrast", z=False, of=of) for reducer in REDUCERS]
    assert tuple(made) == SCORE_NAMES == get_args(ScoreName)
    assert [name for name in ANOMALY_MAPS.names if name.startswith("score_")] == made
    assert SCORE_NAMES[0] == "score_mean"
    assert len(SCORE_NAMES) == 40


def square(side: int, width: int) -> npt.NDArray[np.bool_]:
    lungs = np.zeros((side, side), np.bool_)
    start = (side - width) // 2
    lungs[start : start + width, start : start + width] = True
    return lungs


def test_the_core_of_a_square_is_a_square_without_the_rim() -> None:
    # 8 px at 256 are 4 px at 128: of 40 pixels 32 are deeper than that.
    found = regions(square(128, 40), 8.0)
    np.testing.assert_array_equal(found["lungs"], square(128, 40))
    np.testing.assert_array_equal(found["core"], square(128, 32))


def test_the_image_s_edge_is_an_edge_of_the_lungs() -> None:
    np.testing.assert_array_equal(regions(np.ones((64, 64), np.bool_), 16.0)["core"], square(64, 56))


@given(st.integers(0, 1000), st.floats(0, 60))
@settings(max_examples=40, deadline=None)
def test_the_core_is_a_quarter_of_the_lungs_or_more_and_as_erosion_finds_it(seed: int, margin: float) -> None:
    lungs = np.asarray(gaussian_filter(np.random.default_rng(seed).random((48, 48)), 4) > 0.5)
    core = regions(lungs, margin)["core"]
    assert not (core & ~lungs).any()
    assert core.sum() >= lungs.sum() / 4
    depth = distance_transform_edt(np.pad(lungs, 1))[1:-1, 1:-1]
    deep = depth > margin * 48 / 256 + 1e-4
    if deep.sum() >= lungs.sum() / 2:
        np.testing.assert_array_equal(core, deep)


def test_no_lungs_have_no_core() -> None:
    assert not any(region.any() for region in regions(~EVERYWHERE, 12.0).values())


@given(st.integers(1, 400), st.floats(0.001, 1.0))
@settings(max_examples=50, deadline=None)
def test_top_mean_lies_between_mean_and_maximum(size: int, share: float) -> None:
    values = np.random.default_rng(size).random(size).astype(np.float32)
    found = top_mean(values, share)
    assert mean(values) - 1e-6 <= found <= values.max() + 1e-6


@pytest.mark.parametrize(("size", "count"), [(60, 3), (61, 4), (20, 1), (1, 1), (100, 5)])
def test_convention_the_share_is_rounded_up(size: int, count: int) -> None:
    values = np.arange(size, dtype=np.float32)
    assert top_mean(values, 0.05) == pytest.approx(values[-count:].mean())


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_share_outside_zero_to_one_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="share must be in"):
        top_mean(np.ones(3, np.float32), share)
    with pytest.raises(ValidationError):
        ScoringSettings(top_share=share)
