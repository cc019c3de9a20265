import numpy as np
import numpy.typing as npt
import pytest

from assets.scoring.preview import Target, anomaly_sheet

F32 = npt.NDArray[np.float32]


def scene(n: int) -> tuple[list[F32], list[F32], list[npt.NDArray[np.uint8]]]:
    rng = np.random.default_rng(0)
    lungs = np.zeros((64, 64), np.uint8)
    lungs[8:56, 8:56] = 1
    images = [np.full((64, 64), 0.5, np.float32)] * n
    return images, [rng.random((64, 64)).astype(np.float32) * 0.1 for _ in range(n)], [lungs] * n


def colored(sheet: npt.NDArray[np.uint8]) -> int:
    # green lines are blended where they are smoothed; neither gray nor the heat's colors are greener than red
    red, green, _ = sheet.astype(int).transpose(2, 0, 1)
    return int((green > red + 60).sum())


def test_pairs_of_radiograph_and_map_in_rows() -> None:
    images, maps, lungs = scene(4)
    sheet = anomaly_sheet(images, maps, lungs, ["a", "b", "c", "d"], groups=3, side=64)
    # six tiles of 64 and their gaps of 4 across; two rows of tile, gap and caption down, a gap above
    assert sheet.shape == (4 + 2 * (64 + 4 + 18), 4 + 6 * 68, 3)


def test_masks_and_boxes_are_marked_on_both_tiles_and_none_is_not() -> None:
    images, maps, lungs = scene(1)
    lesion = np.zeros((64, 64), np.bool_)
    lesion[20:40, 20:40] = True
    targets: list[Target | None]
    assert colored(anomaly_sheet(images, maps, lungs, ["a"], [None])) == 0
    assert colored(anomaly_sheet(images, maps, lungs, ["a"])) == 0
    targets = [[[20.0, 20.0, 20.0, 20.0]]]
    # a square of side 40 at twice the size has 4 * 39 border pixels, on two tiles
    assert colored(anomaly_sheet(images, maps, lungs, ["a"], targets, side=128)) == 2 * 4 * 39
    targets = [lesion]
    assert colored(anomaly_sheet(images, maps, lungs, ["a"], targets, side=128)) > 100


def test_one_scale_for_all_and_an_empty_map_stays_gray() -> None:
    images, maps, lungs = scene(2)
    maps[0] = np.zeros((64, 64), np.float32)
    sheet = anomaly_sheet(images, maps, lungs, ["a", "b"], side=64)
    first, second = sheet[4:68, 72:136], sheet[4:68, 208:272]
    assert (first == 128).all()
    assert (second != second[..., :1]).any()
    blank = anomaly_sheet(images[:1], maps[:1], lungs[:1], ["a"], side=64)
    assert (blank[4:68, 72:136] == 128).all()


def test_vmax_dims_the_map() -> None:
    images, maps, lungs = scene(1)
    bright = anomaly_sheet(images, maps, lungs, ["a"], vmax=0.05, side=64)
    dim = anomaly_sheet(images, maps, lungs, ["a"], vmax=50.0, side=64)
    assert (bright[4:68, 72:136] != 128).any()
    assert (dim[4:68, 72:136] == 128).all()


def test_lists_must_be_equally_long() -> None:
    images, maps, lungs = scene(2)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        anomaly_sheet(images, maps[:1], lungs, ["a", "b"])
    with pytest.raises(ValueError, match="captions"):
        anomaly_sheet(images, maps, lungs, ["a"])
