import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from assets.scoring.anomaly_map import AnomalyMaps, anomaly_maps
from assets.scoring.score import SCORE_NAMES, Score, mean, score_radiographs, top_mean
from assets.scoring.settings import ScoringSettings

DEFAULT = ScoringSettings()


def ramp() -> AnomalyMaps:
    # 100 lung pixels that differ by -0.50, -0.49, ..., 0.49 in units of the unit image
    difference = ((np.arange(100) - 50) / 100).reshape(1, 10, 10).astype(np.float32)
    return anomaly_maps(difference, -difference, np.ones((1, 10, 10)))


def test_scores_of_a_ramp() -> None:
    score = score_radiographs(ramp(), DEFAULT)[0]
    # |d| holds 0.50 once, 0.01 to 0.49 twice and 0 once: sum 0.5 + 2 * 0.01 * 49 * 50 / 2 = 25, mean 0.25
    assert score.score_mean == pytest.approx(0.25, abs=1e-6)
    # the highest five: 0.50, 0.49, 0.49, 0.48, 0.48
    assert score.score_top5 == pytest.approx(0.488, abs=1e-6)
    # the positive part sums to 0.01 * 49 * 50 / 2 = 12.25 over all 100 pixels
    assert score.score_mean_positive == pytest.approx(0.1225, abs=1e-6)
    # the highest five: 0.49, 0.48, 0.47, 0.46, 0.45
    assert score.score_top5_positive == pytest.approx(0.47, abs=1e-6)


def test_top_share_is_a_setting() -> None:
    whole = score_radiographs(ramp(), ScoringSettings(top_share=1.0))[0]
    assert whole.score_top5 == pytest.approx(whole.score_mean)
    one = score_radiographs(ramp(), ScoringSettings(top_share=0.01))[0]
    assert one.score_top5 == pytest.approx(0.5)


def test_pixels_outside_the_lungs_change_nothing() -> None:
    rng = np.random.default_rng(0)
    x, g = rng.uniform(-1, 1, (2, 1, 16, 16)).astype(np.float32)
    lungs = np.zeros((1, 16, 16), np.float32)
    lungs[:, 4:12, 4:12] = 1
    other = np.where(lungs > 0, x, -x)
    assert score_radiographs(anomaly_maps(x, g, lungs), DEFAULT) == score_radiographs(
        anomaly_maps(other, g, lungs), DEFAULT
    )


def test_a_batch_scores_as_its_single_rows() -> None:
    rng = np.random.default_rng(1)
    x, g = rng.uniform(-1, 1, (2, 3, 8, 8)).astype(np.float32)
    lungs = np.ones((3, 8, 8))
    single = [score_radiographs(anomaly_maps(x[i : i + 1], g[i : i + 1], lungs[:1]), DEFAULT)[0] for i in range(3)]
    assert score_radiographs(anomaly_maps(x, g, lungs), DEFAULT) == single


def test_empty_lungs_name_the_row() -> None:
    zeros = np.zeros((2, 4, 4), np.float32)
    lungs = np.ones((2, 4, 4))
    lungs[1] = 0
    with pytest.raises(ValueError, match="row 1 has no lung pixel"):
        score_radiographs(anomaly_maps(zeros, zeros, lungs), DEFAULT)
    with pytest.raises(ValueError, match="got none"):
        mean(np.zeros(0, np.float32))


def test_names_are_the_columns() -> None:
    assert tuple(Score.__dataclass_fields__) == SCORE_NAMES


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
