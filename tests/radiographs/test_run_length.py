import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from assets.radiographs.decoded import UnusableFile
from assets.radiographs.run_length import decode_runs, encode_runs

MASKS = npst.arrays(np.bool_, npst.array_shapes(min_dims=2, max_dims=2, max_side=12))


def one_by_one(text: str, height: int, width: int) -> npt.NDArray[np.bool_]:
    """What a person would do with the text and a sheet of squared paper."""
    numbers = [int(token) for token in text.split()]
    mask = np.zeros((height, width), np.bool_)
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        for pixel in range(start, start + length):
            row, column = divmod(pixel - 1, width)
            mask[row, column] = True
    return mask


@given(mask=MASKS)
def test_decoding_undoes_encoding(mask: npt.NDArray[np.bool_]) -> None:
    assert np.array_equal(decode_runs(encode_runs(mask), *mask.shape), mask)


@given(
    gaps=st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=8),
    height=st.integers(8, 20),
    width=st.integers(20, 25),
)
def test_decoding_is_what_counting_pixel_by_pixel_gives(gaps: list[tuple[int, int]], height: int, width: int) -> None:
    # Runs that touch are in it too, which no encoder writes but any reader can understand.
    pieces, at = [], 1
    for gap, length in gaps:
        pieces.append(f"{at + gap} {length}")
        at += gap + length
    text = " ".join(pieces)
    assert np.array_equal(decode_runs(text, height, width), one_by_one(text, height, width))


def test_the_first_pixel_is_one_and_rows_come_first() -> None:
    assert decode_runs("1 1", 2, 3).tolist() == [[True, False, False], [False, False, False]]
    assert decode_runs("2 3", 2, 3).tolist() == [[False, True, True], [True, False, False]]
    assert decode_runs("6 1", 2, 3).tolist() == [[False, False, False], [False, False, True]]
    assert encode_runs(np.array([[False, True, True], [True, False, True]])) == "2 3 6 1"


def test_no_runs_are_an_empty_mask() -> None:
    assert not decode_runs("  \n", 3, 4).any()
    assert encode_runs(np.zeros((3, 4), np.bool_)) == ""


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1", "an odd count of numbers"),
        ("1 2 3", "an odd count of numbers"),
        ("1 x", "something else than whole numbers"),
        ("1.0 2", "something else than whole numbers"),
        ("-1 2", "something else than whole numbers"),
        ("[1, 2]", "something else than whole numbers"),
        ("0 2", "runs that overlap, go backwards or are empty"),
        ("4 0", "runs that overlap, go backwards or are empty"),
        ("1 3 3 2", "runs that overlap, go backwards or are empty"),
        ("5 1 1 1", "runs that overlap, go backwards or are empty"),
        ("1 13", "runs beyond the last pixel"),
        ("13 1", "runs beyond the last pixel"),
        ("1 9999999999999999999999", "more than 15 digits"),
    ],
)
def test_malformed_texts_are_refused_without_being_quoted(text: str, found: str) -> None:
    with pytest.raises(UnusableFile, match=found) as caught:
        decode_runs(text, 3, 4)
    assert "expected" in str(caught.value)
    assert "copy the text again" in str(caught.value)
    assert text not in str(caught.value) or text == "1"
