import numpy as np
import numpy.typing as npt
import pytest

from assets.scoring.preview import Shown, Target, anomaly_sheet, maps_sheet

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


def shown(z: bool, lesion: bool) -> Shown:
    images, maps, lungs = scene(1)
    mask = np.zeros((64, 64), np.bool_)
    mask[20:40, 20:40] = True
    canvas = np.full((96, 96), 0.25, np.float32)
    native_lungs = np.pad(lungs[0], 16)
    return Shown(
        image=images[0],
        anomaly=maps[0],
        z=30 * maps[0] if z else None,
        lungs=lungs[0],
        lesion=mask if lesion else None,
        native_image=canvas,
        native=np.pad(maps[0], 16),
        native_lungs=native_lungs,
        native_lesion=np.pad(mask, 16) if lesion else None,
        caption="a",
    )


@pytest.mark.parametrize(("count", "across", "down"), [(1, 4, 1), (2, 8, 1), (3, 8, 2)])
def test_four_tiles_a_radiograph_two_radiographs_a_row(count: int, across: int, down: int) -> None:
    sheet = maps_sheet([shown(z=True, lesion=True)] * count, side=64)
    assert sheet.shape == (4 + down * (64 + 4 + 18), 4 + across * 68, 3)


def test_tiles_show_image_map_z_map_and_radiograph() -> None:
    sheet = maps_sheet([shown(z=True, lesion=False)], side=96)
    image, anomaly, z, native = (sheet[4:100, 4 + number * 100 : 100 + number * 100] for number in range(4))
    assert (image == 128).all()
    for tile in (anomaly, z, native):
        assert (tile != tile[..., :1]).any()
    # Both are in a scale of their own, so a multiple of the map looks as the map does.
    np.testing.assert_allclose(anomaly.astype(int), z.astype(int), atol=1)
    assert native[0, 0, 0] == 64


def test_without_normal_maps_the_third_tile_is_the_image() -> None:
    sheet = maps_sheet([shown(z=False, lesion=False)], side=64)
    assert (sheet[4:68, 140:204] == 128).all()


def test_lesions_are_outlined_in_the_frame_and_on_the_radiograph() -> None:
    sheet = maps_sheet([shown(z=True, lesion=True)], side=64)
    for number in range(4):
        assert colored(sheet[4:68, 4 + number * 68 : 68 + number * 68]) > 20


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="a sheet needs a tile"):
        maps_sheet([])
