import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.localisation.boxes import box_rows, boxes_mask, clipped, component_boxes, intersections, iou, over_second

SIDE = 24
numbers = st.integers(0, SIDE - 2)
box = st.tuples(numbers, numbers, st.integers(1, SIDE), st.integers(1, SIDE)).map(
    lambda b: (b[0], b[1], min(b[2], SIDE - b[0]), min(b[3], SIDE - b[1]))
)
boxes = st.lists(box, min_size=1, max_size=4).map(lambda found: np.array(found, np.float64))


def drawn(one: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    mask = np.zeros((SIDE, SIDE), np.bool_)
    x, y, width, height = (int(number) for number in one)
    mask[y : y + height, x : x + width] = True
    return mask


@settings(deadline=None)
@given(boxes, boxes)
def test_overlaps_are_those_of_the_filled_boxes(
    first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]
) -> None:
    for i, one in enumerate(first):
        for j, other in enumerate(second):
            a, b = drawn(one), drawn(other)
            shared, union = (a & b).sum(), (a | b).sum()
            assert intersections(first, second)[i, j] == shared
            assert iou(first, second)[i, j] == pytest.approx(shared / union)
            assert over_second(first, second)[i, j] == pytest.approx(shared / b.sum())


@settings(deadline=None)
@given(boxes, st.floats(0.1, 9), st.floats(0.1, 9))
def test_scaling_an_axis_changes_no_overlap(found: npt.NDArray[np.float64], across: float, down: float) -> None:
    scaled = found * (across, down, across, down)
    # Boxes that touch overlap by what rounding leaves.
    np.testing.assert_allclose(iou(scaled, scaled), iou(found, found), rtol=1e-7, atol=1e-12)


@settings(deadline=None)
@given(boxes)
def test_the_mask_is_the_union_of_the_boxes(found: npt.NDArray[np.float64]) -> None:
    expected = np.logical_or.reduce([drawn(one) for one in found])
    np.testing.assert_array_equal(boxes_mask(found, (SIDE, SIDE)), expected)


def test_convention_a_box_holds_its_x_to_x_plus_width_columns() -> None:
    mask = boxes_mask(box_rows([[10, 4, 5, 2]]), (12, 20))
    assert np.flatnonzero(mask.any(axis=0)).tolist() == [10, 11, 12, 13, 14]
    assert np.flatnonzero(mask.any(axis=1)).tolist() == [4, 5]


def test_boxes_are_cut_at_the_frame_and_those_beside_it_left_out() -> None:
    given_boxes = box_rows([[-5, -5, 10, 10], [2, 3, 4, 5], [20, 0, 5, 5], [10, 2, 4, 4], [8, 8, 99, 99]])
    assert clipped(given_boxes, (0, 0, 10, 12)).tolist() == [[0, 0, 5, 5], [2, 3, 4, 5], [8, 8, 2, 4]]


def test_no_boxes_are_no_boxes() -> None:
    none = box_rows([])
    assert none.shape == (0, 4)
    assert not boxes_mask(none, (4, 4)).any()
    assert clipped(none, (0, 0, 4, 4)).shape == (0, 4)
    assert iou(none, box_rows([[0, 0, 1, 1]])).shape == (0, 1)


@pytest.mark.parametrize("wrong", [[1, 2, 0, 3], [1, 2, 3, -1], [1, 2, float("nan"), 3], [1, float("inf"), 3, 3]])
def test_a_box_without_size_is_refused_by_name(wrong: list[float]) -> None:
    with pytest.raises(ValueError, match=r"boxes\[1\]"):
        box_rows([[0.0, 0.0, 1.0, 1.0], wrong])


def test_a_box_of_three_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(K, 4\)"):
        box_rows([[0, 0, 1]])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_each_part_of_a_mask_has_the_smallest_box_around_it(seed: int) -> None:
    from scipy.ndimage import find_objects, label

    mask = np.random.default_rng(seed).random((20, 30)) < 0.15
    parts, _ = label(mask, structure=np.ones((3, 3)))
    expected = [
        [across.start, down.start, across.stop - across.start, down.stop - down.start]
        for down, across in find_objects(parts)
    ]
    assert sorted(component_boxes(mask, 0).tolist()) == sorted(expected)


def test_small_parts_are_left_out_unless_all_are() -> None:
    mask = np.zeros((20, 20), np.bool_)
    mask[2:4, 2:4] = mask[10:16, 10:16] = True
    assert component_boxes(mask, 0.0).tolist() == [[2, 2, 2, 2], [10, 10, 6, 6]]
    assert component_boxes(mask, 0.05).tolist() == [[10, 10, 6, 6]]
    assert component_boxes(mask, 0.9).tolist() == [[10, 10, 6, 6]]
    assert component_boxes(np.zeros((4, 4), np.bool_), 0.0).shape == (0, 4)
