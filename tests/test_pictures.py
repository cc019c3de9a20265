import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from assets.pictures import (
    GREEN,
    LEFT_LUNG,
    PAPER,
    RIGHT_LUNG,
    checkerboard,
    contact_sheet,
    fitted,
    fitted_labels,
    heat,
    outline,
    shortened,
    to_png,
    to_rgb,
    with_boxes,
    with_contour,
)

RGB = npt.NDArray[np.uint8]


def decoded(png: bytes) -> RGB:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.array(image.convert("RGB"), dtype=np.uint8)


def noise(side: int = 128) -> RGB:
    return to_rgb(np.random.default_rng(0).random((side, side)).astype(np.float32))


def test_convention_zero_is_black_one_is_white_and_the_rest_is_clipped() -> None:
    values = np.array([[0, 1, 0.5], [-3, 7, np.nan]], np.float32)
    assert to_rgb(values)[..., 0].tolist() == [[0, 255, 128], [0, 255, 0]]


def test_fitted_keeps_the_aspect_and_the_mean() -> None:
    image = np.random.default_rng(0).random((96, 64)).astype(np.float32)
    small = fitted(image, 48)
    assert small.shape == (48, 32)
    np.testing.assert_allclose(small, image.reshape(48, 2, 32, 2).mean(axis=(1, 3)), atol=1e-6)
    assert fitted(image, 192).shape == (192, 128)
    np.testing.assert_array_equal(fitted(image, 96), image)


def test_fitted_labels_make_no_new_label_and_stay_with_the_image() -> None:
    lungs = np.zeros((64, 64), np.uint8)
    lungs[8:40, 4:28], lungs[8:40, 36:60] = 1, 2
    large = fitted_labels(lungs, 128)
    np.testing.assert_array_equal(large, lungs.repeat(2, axis=0).repeat(2, axis=1))
    assert set(np.unique(fitted_labels(lungs, 20))) == {0, 1, 2}


def test_convention_patient_right_lung_is_orange_on_the_left() -> None:
    lungs = np.zeros((40, 60), np.uint8)
    lungs[10:30, 5:25], lungs[10:30, 35:55] = 1, 2
    picture = outline(np.full((40, 60), 0.5, np.float32), lungs).astype(int)
    # orange is redder than blue, sky bluer than red
    warmth = picture[..., 0] - picture[..., 2]
    assert (warmth[:, :30] >= 0).all()
    assert warmth[:, :30].max() > 100
    assert (warmth[:, 30:] <= 0).all()
    assert warmth[:, 30:].min() < -100
    assert warmth[20, 15] == warmth[0, 0] == 0
    assert RIGHT_LUNG != LEFT_LUNG


def test_contours_and_boxes_leave_their_picture_untouched() -> None:
    picture = to_rgb(np.zeros((20, 20), np.float32))
    mask = np.zeros((20, 20), np.bool_)
    mask[5:10, 5:10] = True
    assert with_contour(picture, mask, GREEN).any()
    boxed = with_boxes(picture, [[5, 6, 4, 3]], GREEN)
    rows, columns = np.nonzero((boxed == np.array(GREEN)).all(axis=-1))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (5, 8, 6, 8)
    assert not picture.any()
    with pytest.raises(ValueError, match="bring both to one size"):
        with_contour(picture, mask[:10], GREEN)


def test_heat_is_transparent_at_zero_and_saturates_at_vmax() -> None:
    image = np.random.default_rng(1).random((8, 8)).astype(np.float32)
    np.testing.assert_array_equal(heat(image, np.zeros((8, 8), np.float32), 0.2), to_rgb(image))
    full = heat(image, np.full((8, 8), 0.2, np.float32), 0.2)
    np.testing.assert_array_equal(full, heat(image, np.full((8, 8), 9, np.float32), 0.2))
    assert (full[..., 0] > full[..., 2].astype(int) + 60).all()
    np.testing.assert_array_equal(heat(image, np.full((8, 8), np.nan, np.float32), 0.2), to_rgb(image))


def test_heat_refuses_other_shapes_and_scales() -> None:
    image = np.zeros((8, 8), np.float32)
    with pytest.raises(ValueError, match="one shape"):
        heat(image, image[:4], 1.0)
    with pytest.raises(ValueError, match="vmax"):
        heat(image, image, 0.0)


def test_convention_checkerboard_begins_with_the_first_image() -> None:
    board = checkerboard(np.zeros((12, 12), np.float32), np.ones((12, 12), np.float32), squares=3)
    assert board[::4, ::4, 0].tolist() == [[0, 255, 0], [255, 0, 255], [0, 255, 0]]
    same = np.random.default_rng(2).random((10, 14)).astype(np.float32)
    np.testing.assert_array_equal(checkerboard(same, same), to_rgb(same))
    with pytest.raises(ValueError, match="one shape"):
        checkerboard(same, same[:5])


def test_sheet_places_its_tiles_row_by_row_unchanged() -> None:
    tiles = [np.full((10, 12, 3), 40 * (i + 1), np.uint8) for i in range(5)]
    page = contact_sheet(tiles, 3)
    assert page.shape == (4 + 2 * 14, 4 + 3 * 16, 3)
    for index, tile in enumerate(tiles):
        y, x = 4 + index // 3 * 14, 4 + index % 3 * 16
        np.testing.assert_array_equal(page[y : y + 10, x : x + 12], tile)
    assert (page[18:28, 36:48] == np.array(PAPER)).all()


def test_captions_and_headings_are_drawn_outside_the_tiles() -> None:
    tiles = [np.zeros((40, 80, 3), np.uint8)] * 2
    page = contact_sheet(tiles, 2, ["one", ""], ["left", "right"])
    assert page.shape == (22 + 62, 4 + 2 * 84, 3)
    assert (page[22:62, 4:84] == 0).all()
    paper = np.array(PAPER)
    assert (page[62:80, 4:84] != paper).any()
    assert (page[62:80, 88:168] == paper).all()
    assert (page[:22, 88:168] != paper).any()


def test_long_captions_are_cut_to_their_tile() -> None:
    assert shortened("short", 200) == "short"
    cut = shortened("a caption that is much too long", 80)
    assert cut.endswith("..")
    assert cut.startswith("a capt")
    tile = np.zeros((20, 40, 3), np.uint8)
    page = contact_sheet([tile, tile], 2, ["W" * 50, ""])
    assert (page[24:, 48:] == np.array(PAPER)).all()


def test_sheets_that_cannot_be_laid_out_are_refused() -> None:
    tile = np.zeros((4, 4, 3), np.uint8)
    with pytest.raises(ValueError, match="needs a tile"):
        contact_sheet([], 2)
    with pytest.raises(ValueError, match="needs a tile"):
        contact_sheet([tile], 0)
    with pytest.raises(ValueError, match="one shape"):
        contact_sheet([tile, tile[:2]], 2)
    with pytest.raises(ValueError, match="1 captions for 2 tiles"):
        contact_sheet([tile, tile], 2, ["a"])
    with pytest.raises(ValueError, match="1 headings for 2 columns"):
        contact_sheet([tile, tile], 2, headings=["a"])


def test_png_is_lossless_and_the_same_each_time() -> None:
    np.testing.assert_array_equal(decoded(to_png(noise(64))), noise(64))
    assert to_png(noise(64)) == to_png(noise(64))
    assert to_png(noise(64), 1_000_000) == to_png(noise(64))


@pytest.mark.parametrize("limit", [16_000, 6_000, 2_000])
def test_png_fits_its_limit(limit: int) -> None:
    png = to_png(noise(), limit)
    assert len(png) <= limit
    picture = decoded(png)
    assert picture.shape[0] == picture.shape[1]
    assert picture.std() > 5


def test_a_palette_keeps_the_color_of_a_thin_outline() -> None:
    gray = np.random.default_rng(3).random((200, 200)).astype(np.float32)
    mask = np.zeros((200, 200), np.uint8)
    mask[50:150, 50:150] = 1
    drawn = outline(gray, mask)
    small = decoded(to_png(drawn, len(to_png(drawn)) - 1))
    assert small.shape == drawn.shape
    line = small[50, 60:140].astype(int)
    assert (line[:, 0] - line[:, 2]).min() > 60


def test_a_limit_no_picture_can_meet_is_refused() -> None:
    with pytest.raises(ValueError, match="max_bytes=100"):
        to_png(noise(), 100)
