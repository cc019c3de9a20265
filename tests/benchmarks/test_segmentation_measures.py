import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import binary_dilation

from tests.benchmarks.segmentation_measures import (
    box_shares,
    chest_region,
    dice_figures,
    lung_regions,
    mean_over_patients,
)


def labels(*blocks: tuple[int, slice, slice], shape: tuple[int, int] = (10, 20)) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    for label, rows, columns in blocks:
        mask[rows, columns] = label
    return mask


def test_means_and_percentiles_by_hand() -> None:
    # Pooled and sorted: .6 .8 .9 .9 1 1; 5 % of five steps is a quarter of the first one, .6 + .25 * .2. The worse
    # lungs are .6 .8 .9; 5 % of two steps is a tenth of the first one, .6 + .1 * .2.
    figures = dice_figures(np.array([[1.0, 0.8], [0.9, 0.9], [1.0, 0.6]]), ["a", "b", "c"])
    assert figures.rows == 3
    assert figures.right.value == pytest.approx(29 / 30)
    assert figures.left.value == figures.lower_mean == pytest.approx(23 / 30)
    assert figures.p5_pooled == pytest.approx(0.65)
    assert figures.p5_worse == pytest.approx(0.62)


def test_the_interval_of_equal_values_has_no_width_and_that_of_one_patient_neither() -> None:
    assert str(mean_over_patients([0.5, 0.5, 0.5], ["a", "b", "c"])) == "0.500 (0.500 to 0.500)"
    alone = mean_over_patients([0.0, 1.0], ["a", "a"])
    assert (alone.value, alone.low, alone.high) == (0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="needs a value"):
        mean_over_patients([], [])


def test_the_interval_is_that_of_the_normal_approximation_for_many_patients() -> None:
    values = np.random.default_rng(1).normal(0.8, 0.1, 400)
    mean = mean_over_patients(values, [str(i) for i in range(400)])
    half = 1.96 * values.std() / 20
    assert (mean.high - mean.low) / 2 == pytest.approx(half, rel=0.1)


def test_values_of_one_patient_are_drawn_together() -> None:
    values = np.random.default_rng(2).normal(size=60)
    apart = mean_over_patients(np.repeat(values, 4), [str(i) for i in range(240)])
    together = mean_over_patients(np.repeat(values, 4), [str(i // 4) for i in range(240)])
    assert (together.high - together.low) > 1.6 * (apart.high - apart.low)


def test_the_region_is_the_hull_of_the_union_and_of_its_mirror_image() -> None:
    # Columns 2 to 4 of one method mirror to 15 to 17; rows 3 to 6 of the two methods together.
    one, other = labels((1, slice(3, 5), slice(2, 5))), labels((1, slice(5, 7), slice(2, 5)))
    expected = np.zeros((10, 20), np.bool_)
    expected[3:7, 2:18] = True
    assert np.array_equal(chest_region([one, other]), expected)


def test_regions_of_the_lungs_leave_out_what_lies_between_them() -> None:
    one = labels((1, slice(3, 7), slice(2, 5)), (2, slice(3, 7), slice(14, 17)))
    # The left lung's columns 14 to 16 mirror to 3 to 5.
    expected = np.zeros((10, 20), np.bool_)
    expected[3:7, 2:6] = expected[3:7, 14:18] = True
    assert np.array_equal(lung_regions([one]), expected)


def test_without_lungs_there_is_no_region() -> None:
    empty = labels()
    assert not chest_region([empty, empty]).any()
    assert not lung_regions([empty]).any()
    assert np.isnan(box_shares(np.array([[0, 0, 5, 5.0]]), empty, chest_region([empty]))).all()


@given(st.integers(0, 2**32 - 1))
def test_a_region_holds_every_method_mirrors_onto_itself_and_the_lungs_lie_in_the_chest(seed: int) -> None:
    rng = np.random.default_rng(seed)
    masks = [np.where(rng.random((12, 16)) < 0.1, rng.integers(1, 3, (12, 16)), 0).astype(np.uint8) for _ in range(3)]
    chest, lungs = chest_region(masks), lung_regions(masks)
    for mask in masks:
        assert not ((mask > 0) & ~lungs).any()
    # A hull's edge runs through pixels, which are in or out as they are drawn.
    assert not (lungs & ~binary_dilation(chest, np.ones((3, 3)))).any()
    assert np.array_equal(lungs, lungs[:, ::-1])


def test_shares_of_boxes_by_hand() -> None:
    region = np.zeros((10, 20), np.bool_)
    region[:, :10] = True
    lungs = labels((1, slice(0, 10), slice(0, 4)), (2, slice(0, 10), slice(12, 20)))
    boxes = [
        [2, 0, 4, 10],  # columns 2 to 5, of which 2 and 3
        [8, 2, 4, 2],  # only 8 and 9 lie in the region, none of them in a lung
        [12, 0, 4, 10],  # outside the region
        [3.5, 1.25, 1, 3],  # half of column 3 and half of column 4
        [-5, -5, 7, 7],  # reaches over the image's corner
        [4, 0, 0.25, 1],  # a quarter of a pixel beside the lung
    ]
    shares = box_shares(np.array(boxes, dtype=np.float64), lungs, region)
    assert shares == pytest.approx([0.5, 0, np.nan, 0.5, 1, 0], nan_ok=True)
    assert box_shares(np.zeros((0, 4)), lungs, region).shape == (0,)


def test_the_region_and_not_the_method_decides_what_counts_of_a_box() -> None:
    region = np.zeros((10, 20), np.bool_)
    region[2:6, 2:10] = True
    box = np.array([[0, 0, 20, 10.0]])
    greedy, modest = labels((1, slice(0, 10), slice(0, 20))), labels((1, slice(2, 6), slice(2, 6)))
    assert box_shares(box, greedy, region)[0] == 1
    assert box_shares(box, modest, region)[0] == 0.5
