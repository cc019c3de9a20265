import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.shortcuts.described import PICTURED, coded, curved, pictured, thumbnail
from assets.shortcuts.settings import ShortcutSettings

SETTINGS = ShortcutSettings()
SEEDS = st.integers(0, 2**32 - 1)
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def scene(seed: int) -> tuple[F32, U8, U8]:
    rng = np.random.default_rng(seed)
    lungs, moved = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    lungs[16:48, 10:28], lungs[16:48, 36:54] = 1, 2
    moved[12:40, 10:28], moved[12:40, 36:54] = 1, 2
    return rng.random((64, 64), dtype=np.float32), lungs, moved


def test_every_view_has_its_number_of_features() -> None:
    found = pictured(*scene(0), SETTINGS)
    assert tuple(found) == PICTURED
    # 32 px less the 26 px inside a frame of 3; two lungs of 32 x 32
    assert {name: values.shape for name, values in found.items()} == {
        "border": (32**2 - 26**2,),
        "outside_lungs": (1024,),
        "mask_outline": (2048,),
        "mask_outline_it_pr": (2048,),
        "histogram": (32,),
    }
    assert all(values.dtype == np.float32 for values in found.values())


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_what_lies_in_the_lungs_is_seen_by_the_histogram_alone(seed: int) -> None:
    image, lungs, moved = scene(seed)
    other = np.where(lungs > 0, np.float32(1) - image, image)
    before, after = pictured(image, lungs, moved, SETTINGS), pictured(other, lungs, moved, SETTINGS)
    for name in PICTURED:
        assert np.array_equal(before[name], after[name]) is (name != "histogram"), name


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_the_border_sees_the_frame_and_nothing_within(seed: int) -> None:
    image, lungs, moved = scene(seed)
    within = image.copy()
    # Three of 32 pixels are six of 64.
    within[6:-6, 6:-6] = 0
    assert np.array_equal(
        pictured(image, lungs, moved, SETTINGS)["border"], pictured(within, lungs, moved, SETTINGS)["border"]
    )
    within[5, 30] += 0.5
    assert not np.array_equal(
        pictured(image, lungs, moved, SETTINGS)["border"], pictured(within, lungs, moved, SETTINGS)["border"]
    )


@settings(deadline=None, max_examples=20)
@given(SEEDS)
def test_the_histogram_does_not_see_where_a_pixel_lies(seed: int) -> None:
    image, lungs, moved = scene(seed)
    shuffled = np.random.default_rng(seed).permutation(image.ravel()).reshape(image.shape)
    found = pictured(image, lungs, moved, SETTINGS)["histogram"]
    assert np.array_equal(found, pictured(shuffled, lungs, moved, SETTINGS)["histogram"])
    assert found.sum() == pytest.approx(1)


def test_outlines_are_those_of_the_masks_each_lung_by_itself() -> None:
    image, lungs, moved = scene(1)
    found = pictured(image, lungs, moved, SETTINGS)
    blank = pictured(np.zeros_like(image), lungs, moved, SETTINGS)
    for name, mask in (("mask_outline", lungs), ("mask_outline_it_pr", moved)):
        assert np.array_equal(found[name], blank[name])
        right, left = found[name].reshape(2, 32, 32)
        assert np.array_equal(right, thumbnail(mask == 1, 32))
        assert np.array_equal(left, thumbnail(mask == 2, 32))


def test_lungs_that_fill_the_canvas_leave_nothing_outside() -> None:
    image, _, moved = scene(2)
    assert not pictured(image, np.ones((64, 64), np.uint8), moved, SETTINGS)["outside_lungs"].any()


def test_sizes_are_settings() -> None:
    own = ShortcutSettings(thumbnail=16, histogram_bins=8, frame_share=0.25)
    found = pictured(*scene(3), own)
    assert (found["border"].size, found["mask_outline"].size, found["histogram"].size) == (256 - 64, 512, 8)


def test_image_and_lungs_must_fit() -> None:
    image, lungs, moved = scene(4)
    with pytest.raises(ValueError, match="one shape"):
        pictured(image[:-1], lungs, moved, SETTINGS)


def test_categories_as_zeros_and_ones() -> None:
    found = coded(["AP", None, "PA", "LL"], ["AP", "PA"])
    assert np.array_equal(found, np.array([[1, 0], [np.nan, np.nan], [0, 1], [0, 0]]), equal_nan=True)
    assert coded([None, None], []).shape == (2, 0)


def test_numbers_with_their_squares() -> None:
    assert np.array_equal(curved([2.0, None, -3.0]), np.array([[2, 4], [np.nan, np.nan], [-3, 9]]), equal_nan=True)
    assert curved([]).shape == (0, 2)
