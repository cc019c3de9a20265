import numpy as np
import numpy.typing as npt
import pytest

from assets.segmentation.cleanup import clean, largest_component, split_lungs
from assets.segmentation.quality import dice
from assets.segmentation.settings import SegmentationSettings

U8 = npt.NDArray[np.uint8]
SETTINGS = SegmentationSettings()


def pair() -> U8:
    y, x = np.mgrid[:256, :256]
    lungs = np.zeros((256, 256), np.uint8)
    for label, center in ((1, 80), (2, 176)):
        lungs[((x - center) / 34) ** 2 + ((y - 128) / 64) ** 2 <= 1] = label
    return lungs


def test_good_lungs_hardly_change() -> None:
    assert dice(clean(pair(), SETTINGS), pair()) > 0.995


def test_clean_is_idempotent() -> None:
    once = clean(pair(), SETTINGS)
    np.testing.assert_array_equal(clean(once, SETTINGS), once)


def test_specks_and_holes_go() -> None:
    dirty = pair()
    dirty[5:9, 5:9] = 1
    dirty[120:130, 170:180] = 0
    assert dice(clean(dirty, SETTINGS), clean(pair(), SETTINGS)) == 1


def test_smoothing_removes_a_spike_and_radius_0_keeps_it() -> None:
    spiked = pair()
    spiked[128, 20:60] = 1
    assert not clean(spiked, SETTINGS)[128, 22:40].any()
    assert clean(spiked, SETTINGS.model_copy(update={"smoothing_radius": 0.0}))[128, 22:40].all()


def test_convention_sides_are_set_by_position() -> None:
    swapped = pair()
    swapped[pair() == 1], swapped[pair() == 2] = 2, 1
    np.testing.assert_array_equal(clean(swapped, SETTINGS), clean(pair(), SETTINGS))


def test_binary_mask_is_split() -> None:
    np.testing.assert_array_equal(split_lungs(pair() > 0), pair())
    np.testing.assert_array_equal(clean((pair() > 0).astype(np.uint8), SETTINGS), clean(pair(), SETTINGS))


def test_merged_lungs_are_cut_where_they_are_thinnest() -> None:
    merged = pair() > 0
    merged[120:130, 100:160] = True
    labels = split_lungs(merged)
    assert dice(labels, pair()) > 0.95
    np.testing.assert_array_equal(labels > 0, merged)


@pytest.mark.parametrize("label", [1, 2])
def test_a_single_lung_stays_on_its_side(label: int) -> None:
    one = pair() == label
    np.testing.assert_array_equal(split_lungs(one), np.where(one, label, 0))


def test_empty_masks_stay_empty() -> None:
    empty = np.zeros((32, 32), np.uint8)
    assert not clean(empty, SETTINGS).any()
    assert not split_lungs(empty > 0).any()
    assert not largest_component(empty > 0).any()


def test_a_lung_on_the_image_border_is_not_eaten() -> None:
    lungs = pair()
    lungs[0:80, 60:100] = 1
    assert clean(lungs, SETTINGS)[0, 65:95].all()


def test_other_labels_are_an_error() -> None:
    with pytest.raises(ValueError, match="labels 0, 1, 2"):
        clean(np.full((8, 8), 255, np.uint8), SETTINGS)
