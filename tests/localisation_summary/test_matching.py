import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.localisation.boxes import box_rows, iou
from assets.localisation_summary.matching import Found, matched

box = st.tuples(*[st.integers(0, 12)] * 2, *[st.integers(1, 8)] * 2)
lists = st.lists(box, max_size=5)


def outcomes(detections: list[list[float]], boxes: list[list[float]], least: float = 0.5) -> list[int]:
    found: list[int] = matched(box_rows(detections), box_rows(boxes), least).tolist()
    return found


def test_each_box_is_found_once_and_then_found_again() -> None:
    boxes: list[list[float]] = [[0, 0, 10, 10], [50, 50, 10, 10]]
    assert outcomes([[0, 0, 10, 9], [0, 0, 9, 10], [50, 50, 10, 10], [90, 90, 5, 5]], boxes) == [
        Found.BOX,
        Found.AGAIN,
        Found.BOX,
        Found.NOTHING,
    ]


def test_a_detection_takes_the_box_that_it_overlaps_best() -> None:
    # The first overlaps both boxes; were it to take the first one, the second detection would find nothing.
    boxes: list[list[float]] = [[0, 0, 10, 10], [4, 0, 10, 10]]
    assert outcomes([[4, 0, 10, 10], [0, 0, 10, 10]], boxes, 0.3) == [Found.BOX, Found.BOX]


def test_the_level_itself_is_enough() -> None:
    assert outcomes([[0, 0, 10, 5]], [[0, 0, 10, 10]], 0.5) == [Found.BOX]
    assert outcomes([[0, 0, 10, 5]], [[0, 0, 10, 10]], 0.51) == [Found.NOTHING]


def test_without_boxes_or_detections() -> None:
    assert outcomes([[0, 0, 1, 1], [2, 2, 1, 1]], []) == [Found.NOTHING] * 2
    assert outcomes([], [[0, 0, 1, 1]]) == []


@settings(deadline=None)
@given(lists, lists, st.sampled_from([0.1, 0.3, 0.5]))
def test_finds_are_no_more_than_boxes_and_false_ones_overlap_none(
    detections: list[list[float]], boxes: list[list[float]], least: float
) -> None:
    found = np.array(outcomes(detections, boxes, least), dtype=int)
    reached = (iou(box_rows(detections), box_rows(boxes)) >= least).any(axis=1)
    np.testing.assert_array_equal(found != Found.NOTHING, reached)
    assert (found == Found.BOX).sum() <= len(boxes)
    # The first detection that reaches any box has found one.
    if reached.any():
        assert found[int(reached.argmax())] == Found.BOX
