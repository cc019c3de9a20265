import numpy as np
import numpy.typing as npt
import pytest

from assets.pictures import RED
from assets.registration.preview import field_sheet, loss_curve

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

BLACK = np.zeros((64, 64), np.float32)
NO_FOLD = np.zeros((64, 64), np.bool_)


def lines(displacement: F32) -> npt.NDArray[np.int64]:
    """Columns of the vertical lines, seen between the horizontal ones."""
    picture = field_sheet(BLACK, displacement, NO_FOLD, side=64, spacing=16)[4:68, 4:68]
    return np.flatnonzero(picture[24, :, 1] > 100)


def test_no_displacement_gives_a_square_grid() -> None:
    assert lines(np.zeros((2, 64, 64), np.float32)).tolist() == [0, 16, 32, 48]


def test_convention_a_grid_on_the_moving_image_moves_against_the_backward_field() -> None:
    # warped(p) = moving(p + 5): what lay at x = 16 is seen at x = 11
    shift = np.zeros((2, 64, 64), np.float32)
    shift[0] = 5
    assert lines(shift).tolist() == [11, 27, 43, 59]


def test_convention_magnified_tissue_has_its_lines_wide_apart() -> None:
    # x -> x / 2 reads half the width: the image is magnified twice
    _, columns = np.mgrid[:64, :64].astype(np.float32)
    half = np.stack([-columns / 2, np.zeros((64, 64), np.float32)])
    assert np.flatnonzero(np.diff(lines(half)) > 20).size == 1


def test_a_single_fold_is_seen_in_red_and_counted() -> None:
    folds = NO_FOLD.copy()
    folds[20, 30] = True
    field = np.zeros((2, 64, 64), np.float32)
    for side in (64, 320):
        sheet = field_sheet(BLACK, field, folds, side=side)
        red = (sheet == np.array(RED)).all(axis=-1)
        rows, columns = np.nonzero(red)
        assert red.sum() >= 9
        assert (rows.mean() - 4) / side * 64 == pytest.approx(20.5, abs=0.6)
        assert (columns.mean() - 4) / side * 64 == pytest.approx(30.5, abs=0.6)
    assert not (field_sheet(BLACK, field, NO_FOLD) == np.array(RED)).all(axis=-1).any()


def test_shapes_must_belong_together() -> None:
    with pytest.raises(ValueError, match="must fit warped"):
        field_sheet(BLACK, np.zeros((2, 32, 32), np.float32), NO_FOLD)
    with pytest.raises(ValueError, match="must fit warped"):
        field_sheet(BLACK, np.zeros((2, 64, 64), np.float32), NO_FOLD[:32])


def test_loss_curve_is_a_picture() -> None:
    picture = loss_curve([{"step": 0.0, "loss": 1.0}, {"step": 1.0, "loss": 0.5}])
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
