import numpy as np
import pytest

from assets.prealignment.preview import alignment_sheet, mean_image_sheet

BLACK, WHITE = np.zeros((32, 32), np.float32), np.ones((32, 32), np.float32)
LUNGS = np.zeros((32, 32), np.uint8)


def test_a_row_of_before_aligned_and_turns_with_the_reference() -> None:
    sheet = alignment_sheet([BLACK] * 2, [LUNGS] * 2, [WHITE] * 2, LUNGS, BLACK, ["a", "b"], side=60)
    assert sheet.shape == (22 + 2 * (60 + 4 + 18), 4 + 3 * 64, 3)
    before, after, turns = (sheet[22:82, x : x + 60] for x in (4, 68, 132))
    assert (before == 0).all()
    assert (after == 255).all()
    # the aligned radiograph comes first, in half of the squares
    assert (turns[:10, :10] == 255).all()
    assert (turns == 255).mean() == 0.5


def test_outlines_are_the_own_lungs_before_and_the_reference_s_after() -> None:
    own, reference = LUNGS.copy(), LUNGS.copy()
    own[8:24, 4:12], reference[8:24, 20:28] = 1, 1
    sheet = alignment_sheet([BLACK], [own], [BLACK], reference, BLACK, side=32)
    before, after = sheet[22:54, 4:36], sheet[22:54, 40:72]
    assert before[:, :16].any()
    assert not before[:, 16:].any()
    assert after[:, 16:].any()
    assert not after[:, :16].any()


def test_means_side_by_side_with_the_reference_lungs_on_request() -> None:
    sheet = mean_image_sheet([BLACK, WHITE], [WHITE, WHITE], side=40)
    assert sheet.shape == (22 + 44, 4 + 2 * 44, 3)
    assert (sheet[22:62, 4:44] == 128).all()
    assert (sheet[22:62, 48:88] == 255).all()
    assert mean_image_sheet([BLACK], [WHITE], LUNGS, side=40).shape[1] == 4 + 3 * 44


def test_lists_must_be_equally_long_and_not_empty() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        alignment_sheet([BLACK], [LUNGS], [BLACK] * 2, LUNGS, BLACK)
    with pytest.raises(ValueError, match="needs a tile"):
        alignment_sheet([], [], [], LUNGS, BLACK)
    with pytest.raises(ValueError, match="need at least one array"):
        mean_image_sheet([], [])
