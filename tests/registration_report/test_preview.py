import numpy as np
import numpy.typing as npt
import pytest

from assets.pictures import GAP, TEXT_SIZE, to_png
from assets.registration_report.preview import arm_sheet, checkerboard_sheet, field_grid_sheet, mean_image_sheet
from assets.registration_report.sharpness import Gain

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

SIZE = 64
ARMS = ("none", "lung_box", "affine", "affine_bspline", "demons", "voxelmorph", "synthmorph", "it_pr", "it_dpr")
LINE = TEXT_SIZE + 6
LUNGS = np.zeros((SIZE, SIZE), np.uint8)
LUNGS[16:48, 12:28], LUNGS[16:48, 36:52] = 1, 2


def radiographs(count: int, arms: tuple[str, ...] = ARMS) -> dict[str, list[F32]]:
    rng = np.random.default_rng(0)
    return {arm: [rng.uniform(0, 1, (SIZE, SIZE)).astype(np.float32) for _ in range(count)] for arm in arms}


def red(picture: U8) -> npt.NDArray[np.bool_]:
    found: npt.NDArray[np.bool_] = (picture[..., 0] > 200) & (picture[..., 1] < 110) & (picture[..., 2] < 110)
    return found


def test_rows_are_radiographs_and_columns_arms() -> None:
    # the lungs' box of 32 rows and 40 columns with 4 px around it: 40 x 48, drawn 96 wide and 80 high
    sheet = arm_sheet(radiographs(2), LUNGS, side=96)
    assert sheet.shape == (GAP + LINE + 2 * (80 + GAP), GAP + 9 * (96 + GAP), 3)
    assert (
        checkerboard_sheet(radiographs(2), LUNGS.astype(np.float32) / np.float32(2), LUNGS, side=96).shape
        == sheet.shape
    )


def test_a_tile_holds_its_arms_radiograph() -> None:
    black, white = np.zeros((SIZE, SIZE), np.float32), np.ones((SIZE, SIZE), np.float32)
    sheet = arm_sheet({"dark": [black], "light": [white]}, LUNGS, side=96)[GAP + LINE :]
    tiles = sheet[2:78, GAP + 2 : GAP + 94], sheet[2:78, 100 + GAP + 2 : 100 + GAP + 94]
    assert np.median(tiles[0]) == 0
    assert np.median(tiles[1]) == 255
    # the outlines are drawn on both
    assert (tiles[0] > 0).any()


def test_a_checkerboard_of_the_reference_with_itself_is_the_reference() -> None:
    image = radiographs(1, ("itself",))
    reference = image["itself"][0]
    assert (
        checkerboard_sheet(image, reference, LUNGS) == checkerboard_sheet({"itself": [reference]}, reference, LUNGS)
    ).all()
    other = checkerboard_sheet(image, 1 - reference, LUNGS)
    shown = checkerboard_sheet(image, reference, LUNGS)
    # every other field is the reference's
    assert 0.3 < (other != shown).any(axis=-1).mean() < 0.6


def test_folds_are_red_and_counted_in_the_arm_that_has_them() -> None:
    image = np.full((SIZE, SIZE), 0.5, np.float32)
    smooth, torn = np.zeros((2, SIZE, SIZE), np.float32), np.zeros((2, SIZE, SIZE), np.float32)
    torn[0, 30:34, 32] = 1.6
    sheet = field_grid_sheet({"smooth": image, "torn": image}, {"smooth": smooth, "torn": torn}, side=128)
    assert not red(sheet[:, : GAP + 128]).any()
    assert red(sheet[:, GAP + 128 :]).any()
    calm = field_grid_sheet({"smooth": image, "torn": image}, {"smooth": smooth, "torn": smooth}, side=128)
    under = slice(GAP + 128, None)
    assert (sheet[under, GAP + 128 :] != calm[under, GAP + 128 :]).any()
    assert (sheet[under, : GAP + 128] == calm[under, : GAP + 128]).all()


def test_few_folded_pixels_stay_red_in_a_small_file() -> None:
    images = {arm: each[0] for arm, each in radiographs(1).items()}
    fields = {arm: np.zeros((2, SIZE, SIZE), np.float32) for arm in images}
    fields["demons"][0, 30, 32] = 1.6
    assert red(field_grid_sheet(images, fields)).sum() >= 9


def test_means_share_a_gray_window_and_say_their_gain() -> None:
    ramp: F32 = np.tile(np.linspace(0.4, 0.6, SIZE, dtype=np.float32), (SIZE, 1))
    means: dict[str, F32] = {"lung_box": ramp, "it_pr": ramp / np.float32(2)}
    plain = mean_image_sheet(means, {}, LUNGS, side=96)
    # the brighter mean reaches white, the darker one does not
    assert plain[GAP : GAP + 80, GAP : GAP + 96].max() == 255
    assert plain[GAP : GAP + 80, 2 * GAP + 96 : 2 * GAP + 192].max() < 128
    told = mean_image_sheet(means, {"it_pr": Gain(1.52, 1.4, 1.66)}, LUNGS, side=96)
    changed = np.flatnonzero((plain != told).any(axis=(0, 2)))
    assert changed.min() >= 2 * GAP + 96


def test_sheets_of_eleven_arms_fit_the_page_and_the_file() -> None:
    smooth = np.sin(np.mgrid[:256, :256][1] / 9).astype(np.float32) / 2 + np.float32(0.5)
    arms = (*ARMS, "syn", "elastix")
    lungs = np.kron(LUNGS, np.ones((4, 4), np.uint8))
    sheets = [
        arm_sheet({arm: [smooth, smooth] for arm in arms}, lungs),
        checkerboard_sheet({arm: [smooth, smooth] for arm in arms}, smooth.T, lungs),
        field_grid_sheet(dict.fromkeys(arms, smooth), dict.fromkeys(arms, np.zeros((2, 256, 256), np.float32))),
        mean_image_sheet(dict.fromkeys(arms, smooth), {}, lungs),
    ]
    assert all(sheet.shape[1] <= 1400 for sheet in sheets)
    assert all(len(to_png(sheet)) <= 100_000 for sheet in sheets)


def test_errors_name_what_is_wrong() -> None:
    image = np.zeros((SIZE, SIZE), np.float32)
    with pytest.raises(ValueError, match="as many in every arm"):
        arm_sheet({"one": [image], "two": []}, LUNGS)
    with pytest.raises(ValueError, match="as many in every arm"):
        arm_sheet({}, LUNGS)
    with pytest.raises(ValueError, match="expected a lung"):
        arm_sheet({"one": [image]}, np.zeros_like(LUNGS))
    with pytest.raises(ValueError, match="expected the same arms"):
        field_grid_sheet({"one": image}, {})
    with pytest.raises(ValueError, match="no mean image of"):
        mean_image_sheet({"one": image}, {"two": Gain(1, 1, 1)}, LUNGS)
    with pytest.raises(ValueError, match="expected an arm or more"):
        mean_image_sheet({}, {}, LUNGS)
