"""Run-length encoded masks as CheXmask publishes them: the pixels that are set, as pairs of start and length."""

import numpy as np
import numpy.typing as npt

from assets.radiographs.decoded import UnusableFile

Bools = npt.NDArray[np.bool_]


def decode_runs(text: str, height: int, width: int) -> Bools:
    """Mask of a text of pairs `start length`, separated by blanks.

    Pixels are counted row by row (row-major) and the first is 1, as in `DataPostprocessing/utils.py` of
    github.com/ngaggion/CheXmask-Database at commit abf1d4a (Gaggion et al. 2024, doi 10.13026/pgag-by42). Kaggle's
    encoding looks alike, but counts down the columns.

    Args:
        text: the pairs, in increasing order; blank for an empty mask.
        height: rows of the mask, at least 1.
        width: columns of the mask, at least 1.

    Returns:
        bool (height, width).

    Raises:
        UnusableFile: no whole numbers, an odd count of them, or runs that overlap, go backwards or leave the mask.
    """
    starts, stops = _runs(text)
    if starts.size and (starts[0] < 0 or (stops <= starts).any() or (starts[1:] < stops[:-1]).any()):
        raise _malformed("runs that overlap, go backwards or are empty", "increasing starts from 1, lengths from 1")
    if starts.size and stops[-1] > height * width:
        raise _malformed("runs beyond the last pixel", f"runs within {width} x {height} pixels")
    steps = np.zeros(height * width + 1, dtype=np.int8)
    # Apart, since a run may start where another stops.
    steps[starts] += 1
    steps[stops] -= 1
    return np.cumsum(steps[:-1], dtype=np.int8).reshape(height, width).astype(np.bool_)


def encode_runs(mask: Bools) -> str:
    """The inverse of `decode_runs` for a mask (H, W); an empty text for an empty mask."""
    flat = np.concatenate([[False], mask.astype(np.bool_).ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    starts, stops = edges[::2], edges[1::2]
    return " ".join(f"{start + 1} {stop - start}" for start, stop in zip(starts, stops, strict=True))


def _runs(text: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Where runs start and stop, counted from 0, stops exclusive."""
    tokens = text.split()
    if not all(token.isascii() and token.isdigit() for token in tokens):
        raise _malformed("something else than whole numbers", "pairs of start and length")
    if len(tokens) % 2:
        raise _malformed("an odd count of numbers", "pairs of start and length")
    # No radiograph has as many pixels, and sums of such numbers stay within 64 bits.
    if any(len(token) > 15 for token in tokens):
        raise _malformed("a number of more than 15 digits", "pixels of a radiograph")
    numbers = np.array(tokens, dtype=np.int64).reshape(-1, 2)
    starts = numbers[:, 0] - 1
    return starts, starts + numbers[:, 1]


def _malformed(found: str, expected: str) -> UnusableFile:
    return UnusableFile(
        f"found {found} in a run-length encoded lung mask; expected {expected}; copy the text again from its source"
    )
