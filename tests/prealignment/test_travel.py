import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.prealignment.travel import carry_boxes, carry_points, enclosing_boxes

F32 = npt.NDArray[np.float32]
SIDE = 64
BOXES = np.array([[10.0, 12.0, 5.0, 8.0], [30.0, 20.5, 12.25, 3.0]])


def constant(x: float, y: float) -> F32:
    return np.stack([np.full((SIDE, SIDE), x), np.full((SIDE, SIDE), y)]).astype(np.float32)


def test_convention_points_go_where_the_field_reads() -> None:
    np.testing.assert_allclose(carry_points(constant(3, -4), np.array([[10.0, 20.0]])), [[13, 16]])


@settings(max_examples=20, deadline=None)
@given(st.floats(-20, 20), st.floats(-20, 20))
def test_a_translation_moves_boxes_and_keeps_their_size(x: float, y: float) -> None:
    moved = carry_boxes(constant(x, y), BOXES)
    np.testing.assert_allclose(moved, BOXES + np.array([x, y, 0, 0]), atol=1e-4)


def test_convention_edges_lie_half_a_pixel_off_the_centers() -> None:
    # doubling about the origin takes the edges 9.5 and 14.5 to 19 and 29, so x = 19.5 and width = 10
    moved = enclosing_boxes(BOXES[:1], lambda points: 2 * points)
    np.testing.assert_allclose(moved, [[19.5, 23.5, 10, 16]])


def test_a_turned_box_grows_to_the_box_around_it() -> None:
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = enclosing_boxes(BOXES, lambda points: points @ turn.T)
    width, height = BOXES[:, 2], BOXES[:, 3]
    np.testing.assert_allclose(moved[:, 2], width * np.cos(angle) + height * np.sin(angle))
    np.testing.assert_allclose(moved[:, 3], width * np.sin(angle) + height * np.cos(angle))


def test_a_bulge_between_the_corners_is_inside() -> None:
    bulge = constant(0, 0)
    # the column through the middle of the upper edge moves up by 6, its corners don't
    bulge[1, :, 34:39] = -6
    moved = carry_boxes(bulge, np.array([[30.0, 20.0, 13.0, 10.0]]))
    np.testing.assert_allclose(moved, [[30, 14, 13, 16]], atol=1e-5)


def test_there_and_back_encloses_the_box() -> None:
    angle = 0.2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    there = enclosing_boxes(BOXES, lambda points: points @ turn.T)
    back = enclosing_boxes(there, lambda points: points @ turn)
    assert (back[:, :2] < BOXES[:, :2]).all()
    assert (back[:, :2] + back[:, 2:] > BOXES[:, :2] + BOXES[:, 2:]).all()


def test_no_box_stays_no_box() -> None:
    assert carry_boxes(constant(1, 1), np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize("boxes", [np.zeros(4), np.zeros((2, 3)), np.array([[1.0, 1, 0, 5]])])
def test_what_is_no_box_is_an_error(boxes: npt.NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="boxes"):
        carry_boxes(constant(0, 0), boxes)
