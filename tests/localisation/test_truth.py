import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.localisation.rows import frame_of
from assets.localisation.truth import NoTruth, normal_truth, truth_of
from assets.radiographs.geometry import fit_canvas

WHOLE, SHAPE = (0.0, 0.0, 32.0, 32.0), (32, 32)


def lesion() -> np.ndarray:
    mask = np.zeros(SHAPE, np.bool_)
    mask[4:8, 4:10] = mask[20:24, 20:24] = True
    return mask


def test_boxes_come_before_the_lesion_mask_which_is_kept_for_pixels() -> None:
    known = truth_of([[2, 3, 4, 5]], lesion(), WHOLE, SHAPE, 0.0)
    assert (known.source, known.boxes.tolist(), known.left_out) == ("boxes", [[2, 3, 4, 5]], 0)
    assert known.target.sum() == 20
    assert known.lesion is not None
    assert known.lesion.sum() == 40


def test_a_lesion_mask_alone_gives_a_box_around_each_part() -> None:
    known = truth_of([], lesion(), WHOLE, SHAPE, 0.0)
    assert (known.source, known.boxes.tolist()) == ("lesion", [[4, 4, 6, 4], [20, 20, 4, 4]])
    np.testing.assert_array_equal(known.target, lesion())


def test_boxes_are_cut_at_the_image_and_those_beside_it_counted() -> None:
    known = truth_of([[-3, 2, 6, 4], [40, 2, 3, 3]], None, WHOLE, SHAPE, 0.0)
    assert (known.boxes.tolist(), known.left_out) == ([[0, 2, 3, 4]], 1)


def test_boxes_beside_the_image_leave_the_lesion_to_tell() -> None:
    known = truth_of([[40, 2, 3, 3]], lesion(), WHOLE, SHAPE, 0.0)
    assert (known.source, len(known.boxes), known.left_out) == ("lesion", 2, 1)


@pytest.mark.parametrize(
    ("boxes", "mask", "said"),
    [
        ([[40, 2, 3, 3]], None, "none of the 1 boxes covers a pixel"),
        ([], np.zeros(SHAPE, np.bool_), "lesion mask is empty"),
        # Smaller than a pixel and between their centers.
        ([[2.6, 2.6, 0.3, 0.3]], None, "none of the 1 boxes"),
    ],
)
def test_what_says_nothing_is_refused(boxes: list[list[float]], mask: np.ndarray | None, said: str) -> None:
    with pytest.raises(NoTruth, match=said):
        truth_of(boxes, mask, WHOLE, SHAPE, 0.0)


def test_a_normal_radiograph_has_nothing_to_be_found() -> None:
    known = normal_truth(SHAPE)
    assert (known.source, known.boxes.shape) == ("normal", (0, 4))
    assert not known.target.any()


@settings(deadline=None)
@given(st.integers(200, 900), st.integers(200, 900))
def test_the_frame_is_what_the_image_covers_of_its_canvas(width: int, height: int) -> None:
    canvas = fit_canvas(width, height, 256)
    placed = {name: getattr(canvas, name) for name in ("scale_x", "scale_y", "offset_x", "offset_y")}
    x, y, across, down = frame_of({"width": width, "height": height, **placed})
    assert max(across, down) == pytest.approx(256)
    assert across / down == pytest.approx(width / height, rel=0.05)
    assert min(x, y) == pytest.approx(0, abs=1e-6)
    assert max(x + across, y + down) <= 256 + 1e-6
