import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from assets.radiographs.decoded import UnusableFile
from assets.radiographs.lung_masks import EncodedLungs, decode_lungs, encoded_lungs, joined_sides
from assets.radiographs.run_length import encode_runs
from assets.radiographs.settings import RadiographSettings

Bools = npt.NDArray[np.bool_]
SETTINGS = RadiographSettings()


def box(shape: tuple[int, int], rows: slice, columns: slice) -> Bools:
    mask = np.zeros(shape, np.bool_)
    mask[rows, columns] = True
    return mask


RIGHT = box((20, 24), slice(4, 16), slice(2, 10))
LEFT = box((20, 24), slice(3, 17), slice(14, 22))


def encoded(right: Bools = RIGHT, left: Bools = LEFT) -> EncodedLungs:
    return EncodedLungs(encode_runs(right), encode_runs(left), *right.shape)


@given(right=npst.arrays(np.bool_, (6, 7)), left=npst.arrays(np.bool_, (6, 7)), shift=st.integers(0, 3))
def test_every_pixel_of_a_side_gets_a_label_and_its_own_stay_its_own(right: Bools, left: Bools, shift: int) -> None:
    # Drawn side by side on one grid, crossing by up to three columns.
    right, left = np.pad(right, ((0, 0), (0, 7 - shift))), np.pad(left, ((0, 0), (7 - shift, 0)))
    assume(right.any() and left.any())
    assume(2 * (right & left).sum() <= min(right.sum(), left.sum()))
    assume(np.nonzero(right)[1].mean() < np.nonzero(left)[1].mean())
    lungs = joined_sides(right, left)
    assert np.array_equal(lungs > 0, right | left)
    assert (lungs[right & ~left] == 1).all()
    assert (lungs[left & ~right] == 2).all()
    # Mirrored and exchanged is the same chest seen from behind; ties go to the right lung, so only those differ.
    behind = joined_sides(left[:, ::-1], right[:, ::-1])[:, ::-1]
    assert np.array_equal((behind == 1)[~(right & left)], (lungs == 2)[~(right & left)])


def test_shared_pixels_go_to_the_nearer_centroid() -> None:
    right = box((9, 20), slice(0, 9), slice(0, 12))
    left = box((9, 20), slice(0, 9), slice(8, 20))
    # Centroids lie in columns 5.5 and 13.5; column 9.5 is half-way.
    assert joined_sides(right, left)[4].tolist() == [1] * 10 + [2] * 10


def test_sides_are_as_declared_even_where_both_lie_in_one_half() -> None:
    right, left = RIGHT[:, :11], box((20, 11), slice(3, 17), slice(10, 11))
    assert set(np.unique(joined_sides(right, left)[:, 10])) == {0, 2}


@pytest.mark.parametrize(
    ("right", "left", "found", "remedy"),
    [
        (LEFT, RIGHT, "right lung to the right of the left lung's", "exchange the two in the declaration"),
        (RIGHT & False, LEFT, "an empty mask of the right lung", "draw it or leave both out"),
        (RIGHT, LEFT & False, "an empty mask of the left lung", "draw it or leave both out"),
        (RIGHT | LEFT, RIGHT | LEFT, "share more than half", "lung_mask or mask_folder"),
        (RIGHT, LEFT[:, :-1], "24 x 20 and 23 x 20", "save both on their image's grid"),
    ],
)
def test_pairs_that_cannot_be_right_are_refused(right: Bools, left: Bools, found: str, remedy: str) -> None:
    with pytest.raises(UnusableFile) as caught:
        joined_sides(right, left)
    assert found in str(caught.value)
    assert remedy in str(caught.value)


def test_encoded_lungs_of_the_images_own_size_are_the_joined_masks() -> None:
    assert np.array_equal(decode_lungs(encoded(), (20, 24), SETTINGS), joined_sides(RIGHT, LEFT))


@given(height=st.integers(5, 60), wider=st.integers(0, 3))
def test_another_size_of_the_same_aspect_takes_the_nearest_pixel(height: int, wider: int) -> None:
    width = round(height * 24 / 20) + wider
    if abs(24 * height - width * 20) > max(height, width):
        with pytest.raises(UnusableFile, match="same size or aspect"):
            decode_lungs(encoded(), (height, width), SETTINGS)
        return
    found = decode_lungs(encoded(), (height, width), SETTINGS)
    truth = joined_sides(RIGHT, LEFT)
    for row in range(height):
        for column in range(width):
            # The pixel's centre, as a share of the image, lies in which pixel of the mask?
            there = truth[int((row + 0.5) / height * 20 + 1e-9), int((column + 0.5) / width * 24 + 1e-9)]
            assert found[row, column] == there


@pytest.mark.parametrize("shape", [(24, 20), (20, 20), (40, 40), (1000, 1300)])
def test_another_aspect_is_refused_with_both_sizes(shape: tuple[int, int]) -> None:
    with pytest.raises(UnusableFile, match=f"24 x 20 pixels on an image of {shape[1]} x {shape[0]}; expected the same"):
        decode_lungs(encoded(), shape, SETTINGS)


def test_a_padded_square_of_1024_pixels_fits_square_images_only() -> None:
    right = box((1024, 1024), slice(200, 800), slice(100, 400))
    left = box((1024, 1024), slice(200, 800), slice(600, 900))
    assert decode_lungs(encoded(right, left), (512, 512), SETTINGS).shape == (512, 512)
    with pytest.raises(UnusableFile, match="take the masks of the original resolution"):
        decode_lungs(encoded(right, left), (2048, 2500), SETTINGS)


def test_sizes_beyond_the_limit_are_refused_before_anything_is_allocated() -> None:
    huge = EncodedLungs("1 1", "2 1", 10**9, 10**9)
    with pytest.raises(UnusableFile, match="raise max_pixels"):
        decode_lungs(huge, (100, 100), SETTINGS)


def test_cells_become_masks_or_a_problem() -> None:
    assert encoded_lungs("1 2", "4 2", "10", 12.0) == (EncodedLungs("1 2", "4 2", 10, 12), None)
    assert encoded_lungs("", None, "", "") == (None, None)
    assert encoded_lungs(float("nan"), " ", "10", "12") == (None, None)
    lungs, problem = encoded_lungs("1 2", "", "10", "12")
    assert lungs is None
    assert problem is not None
    assert "mask of the right lung alone" in problem
    for size in ("", "0", "-1", "ten", "10.5", "inf", "nan"):
        lungs, problem = encoded_lungs("1 2", "4 2", size, "12")
        assert lungs is None
        assert problem is not None
        assert "no height and width" in problem


def test_the_digest_follows_everything_and_texts_are_not_shown() -> None:
    plain = EncodedLungs("1 2", "4 2", 10, 12)
    others = [
        EncodedLungs("1 3", "4 2", 10, 12),
        EncodedLungs("1 2", "4 3", 10, 12),
        EncodedLungs("1 2", "4 2", 12, 10),
        EncodedLungs("4 2", "1 2", 10, 12),
    ]
    assert len({each.digest for each in [plain, *others]}) == 5
    assert "4 2" not in repr(plain)
