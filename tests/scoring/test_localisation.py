import numpy as np
import numpy.typing as npt
import pytest
from sklearn.metrics import roc_auc_score

from assets.scoring.localisation import boxes_mask, lesion_pixel_auc, pointing_chance, pointing_game

Mask = npt.NDArray[np.bool_]


def scene() -> tuple[Mask, Mask]:
    lungs = np.zeros((32, 32), np.bool_)
    lungs[4:28, 4:28] = True
    lesion = np.zeros((32, 32), np.bool_)
    lesion[10:16, 10:16] = True
    return lungs, lesion


def test_perfect_constant_and_reversed_maps() -> None:
    lungs, lesion = scene()
    perfect = lesion.astype(np.float32)
    assert lesion_pixel_auc(perfect, lesion, lungs) == 1.0
    assert lesion_pixel_auc(1 - perfect, lesion, lungs) == 0.0
    assert lesion_pixel_auc(np.ones((32, 32), np.float32), lesion, lungs) == 0.5
    assert pointing_game(perfect, lesion, lungs, 0.0) == 1.0
    assert pointing_game(perfect, lesion, lungs, 3.0) == 1.0
    assert pointing_game(1 - perfect, lesion, lungs, 0.0) == 0.0


def test_pixel_auc_is_sklearn_s_inside_the_lungs() -> None:
    lungs, lesion = scene()
    values = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    assert lesion_pixel_auc(values, lesion, lungs) == pytest.approx(roc_auc_score(lesion[lungs], values[lungs]))
    loud = np.where(lungs, values, np.float32(99))
    assert lesion_pixel_auc(loud, lesion, lungs) == lesion_pixel_auc(values, lesion, lungs)


@pytest.mark.parametrize("sigma", [0.0, 24.0])
def test_a_constant_map_points_at_chance(sigma: float) -> None:
    # 36 lesion pixels among 576 lung pixels: 1 / 16
    lungs, lesion = scene()
    assert pointing_chance(lesion, lungs) == 1 / 16
    assert pointing_game(np.full((32, 32), 0.1, np.float32), lesion, lungs, sigma) == pytest.approx(1 / 16)


def test_two_equal_peaks_share_the_hit() -> None:
    lungs, lesion = scene()
    values = np.zeros((32, 32), np.float32)
    values[12, 12] = values[20, 20] = 1
    assert pointing_game(values, lesion, lungs, 0.0) == 0.5


def test_the_peak_outside_the_lungs_does_not_count() -> None:
    lungs, lesion = scene()
    values = lesion.astype(np.float32)
    values[0, 0] = 9
    assert pointing_game(values, lesion, lungs, 0.0) == 1.0


def test_smoothing_overrules_a_single_noisy_pixel() -> None:
    lungs, lesion = scene()
    values = lesion.astype(np.float32)
    values[24, 24] = 1.5
    assert pointing_game(values, lesion, lungs, 0.0) == 0.0
    assert pointing_game(values, lesion, lungs, 12.0) == 1.0


def test_undefined_without_lesion_in_the_lungs() -> None:
    lungs, lesion = scene()
    values, outside = np.ones((32, 32), np.float32), ~lungs
    assert lesion_pixel_auc(values, outside, lungs) is None
    assert lesion_pixel_auc(values, lungs, lungs) is None
    assert pointing_game(values, outside, lungs, 0.0) is None
    assert pointing_chance(outside, lungs) is None
    with pytest.raises(ValueError, match="must have one shape"):
        lesion_pixel_auc(values, lesion[:4], lungs)


def test_convention_a_box_holds_its_x_to_x_plus_width_columns() -> None:
    mask = boxes_mask([[10, 4, 5, 2]], (12, 20))
    assert np.flatnonzero(mask.any(axis=0)).tolist() == [10, 11, 12, 13, 14]
    assert np.flatnonzero(mask.any(axis=1)).tolist() == [4, 5]


def test_boxes_unite_clip_and_may_be_none() -> None:
    union = boxes_mask([[0, 0, 2, 2], [1, 1, 2, 2]], (4, 4))
    assert union.sum() == 7
    assert boxes_mask([[-5, -5, 100, 100]], (4, 4)).all()
    assert not boxes_mask([], (4, 4)).any()


@pytest.mark.parametrize("box", [[1, 2, 0, 3], [1, 2, 3, -1], [1, 2, 3], [1, 2, float("nan"), 3]])
def test_a_box_without_size_is_refused_by_name(box: list[float]) -> None:
    with pytest.raises(ValueError, match=r"boxes\[1\]"):
        boxes_mask([[0, 0, 1, 1], box], (4, 4))
