import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.localisation.detection import detect
from assets.localisation.settings import LocalisationSettings
from assets.scoring.anomaly_map import smooth_in_lung

F32 = npt.NDArray[np.float32]
SIDE = 64
LUNGS = np.zeros((SIDE, SIDE), np.bool_)
LUNGS[4:60, 4:60] = True
PLAIN = LocalisationSettings(detection_sigma=0, smallest_share=0)


def blobs(*found: tuple[int, int, int, int, float]) -> F32:
    values = np.zeros((SIDE, SIDE), np.float32)
    for x, y, width, height, level in found:
        values[y : y + height, x : x + width] = level
    return values


def boxes(values: F32, threshold: float | None = None, chosen: LocalisationSettings = PLAIN) -> npt.NDArray[np.float64]:
    return detect(values, smooth_in_lung(values, LUNGS, chosen.detection_sigma), LUNGS, threshold, chosen)


def test_a_region_is_boxed_and_scored_by_mean_and_area() -> None:
    (found,) = boxes(blobs((10, 20, 8, 5, 0.5)))
    # 40 pixels at a side of 64 are 40 * 16 at 256.
    assert found.tolist() == [10, 20, 8, 5, pytest.approx(0.5 * np.sqrt(40 * 16))]


def test_the_highest_score_comes_first_and_few_are_kept() -> None:
    values = blobs((6, 6, 2, 2, 1.0), (20, 20, 9, 9, 0.6), (50, 50, 3, 3, 0.9))
    assert boxes(values)[:, 0].tolist() == [20, 50, 6]
    assert boxes(values, chosen=PLAIN.model_copy(update={"detections": 2}))[:, 0].tolist() == [20, 50]
    scores = boxes(values)[:, 4]
    assert (np.diff(scores) <= 0).all()


def test_what_is_below_half_the_maximum_or_the_threshold_is_left_out() -> None:
    values = blobs((6, 6, 4, 4, 1.0), (20, 20, 4, 4, 0.6), (50, 50, 4, 4, 0.4))
    assert sorted(boxes(values)[:, 0]) == [6, 20]
    assert boxes(values, 0.8)[:, 0].tolist() == [6]
    assert boxes(values, 1.5).shape == (0, 5)
    # A threshold below half the maximum changes nothing.
    np.testing.assert_array_equal(boxes(values, 0.1), boxes(values))
    chosen = PLAIN.model_copy(update={"relative_threshold": 0.3})
    assert len(boxes(values, chosen=chosen)) == 3


def test_small_regions_are_left_out() -> None:
    values = blobs((6, 6, 2, 2, 1.0), (20, 20, 4, 4, 1.0))
    chosen = PLAIN.model_copy(update={"smallest_share": 10 / SIDE**2})
    assert boxes(values, chosen=chosen)[:, 0].tolist() == [20]


def test_corners_join_regions_and_smoothing_joins_what_is_near() -> None:
    values = blobs((10, 10, 4, 4, 1.0), (14, 14, 4, 4, 1.0))
    assert boxes(values)[:, :4].tolist() == [[10, 10, 8, 8]]
    apart = blobs((10, 10, 4, 4, 1.0), (16, 10, 4, 4, 1.0))
    assert len(boxes(apart)) == 2
    assert len(boxes(apart, chosen=PLAIN.model_copy(update={"detection_sigma": 8.0}))) == 1


def test_nothing_stands_out_of_a_map_that_is_zero_and_all_lungs_of_a_constant_one() -> None:
    assert boxes(blobs()).shape == (0, 5)
    assert boxes(np.where(LUNGS, np.float32(0.3), np.float32(0)))[:, :4].tolist() == [[4, 4, 56, 56]]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_boxes_lie_on_the_lungs_and_the_unit_moves_only_scores(seed: int, unit: float) -> None:
    chosen = PLAIN.model_copy(update={"detection_sigma": 6.0, "smallest_share": 0.001})
    values = np.where(LUNGS, np.random.default_rng(seed).random((SIDE, SIDE)), 0).astype(np.float32)
    found, scaled = boxes(values, chosen=chosen), boxes((unit * values).astype(np.float32), chosen=chosen)
    assert (found[:, :2] >= 4).all()
    assert (found[:, :2] + found[:, 2:4] <= 60).all()
    np.testing.assert_array_equal(found[:, :4], scaled[:, :4])
    np.testing.assert_allclose(scaled[:, 4], unit * found[:, 4], rtol=1e-4)
