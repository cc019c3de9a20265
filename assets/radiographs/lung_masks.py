"""Lungs (labels 0, 1, 2) from two masks, one a side: pairs of files, or run-length encoded rows."""

import hashlib
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from assets.radiographs.cells import text_of
from assets.radiographs.decoded import UnusableFile, check_samples
from assets.radiographs.run_length import decode_runs
from assets.radiographs.settings import RadiographSettings

Bools = npt.NDArray[np.bool_]
U8 = npt.NDArray[np.uint8]

# Lungs drawn one by one touch or cross a little behind the heart; more is one mask given for both.
LARGEST_OVERLAP = 0.5


@dataclass(frozen=True)
class EncodedLungs:
    """Run-length encoded masks of both lungs, see `run_length.decode_runs`.

    Attributes:
        right: the patient's right lung.
        left: the patient's left lung.
        height: rows of both masks.
        width: columns of both masks.
    """

    right: str = field(repr=False)
    left: str = field(repr=False)
    height: int
    width: int

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides the masks."""
        return hashlib.sha256(f"{self.height} {self.width}\n{self.right}\n{self.left}".encode()).hexdigest()


def encoded_lungs(right: object, left: object, height: object, width: object) -> tuple[EncodedLungs | None, str | None]:
    """Encoded masks of four cells of a table, and the problem if there are none to be had.

    All of `right` and `left` empty is no mask and no problem.
    """
    texts = text_of(right), text_of(left)
    if texts[0] is None or texts[1] is None:
        given = next((name for name, text in zip(("right", "left"), texts, strict=True) if text), None)
        return None, f"found a mask of the {given} lung alone; expected both; fill in the other" if given else None
    sizes = _count_of(height), _count_of(width)
    if sizes[0] is None or sizes[1] is None:
        return None, "found no height and width of the run-length encoded masks; expected whole numbers; fill them in"
    return EncodedLungs(texts[0], texts[1], sizes[0], sizes[1]), None


def _count_of(cell: object) -> int | None:
    """Whole number of at least 1, also where a table program wrote it as 1024.0."""
    try:
        number = float(text_of(cell) or "")
    except ValueError:
        return None
    return int(number) if math.isfinite(number) and number >= 1 and number == int(number) else None


def decode_lungs(encoded: EncodedLungs, image_shape: tuple[int, int], settings: RadiographSettings) -> U8:
    """Lungs on the grid of their image.

    A mask of another size is taken where its aspect is the image's, to one pixel of the mask: the pixel of the image
    whose centre lies in a pixel of the mask gets its label. Nearest neighbour, since labels have no values in between;
    the outline is smoothed where the canvas is filled, by area. CheXmask's preprocessed masks of 1024 x 1024 pixels
    are padded to squares, so they fit square images only.

    Args:
        encoded: both masks.
        image_shape: (H, W) of the image as decoded.
        settings: the limit on pixels.

    Returns:
        uint8 (H, W): 0 background, 1 patient-right, 2 patient-left.

    Raises:
        UnusableFile: another aspect, too many pixels, malformed runs, or as `joined_sides`.
    """
    height, width = image_shape
    if not _same_aspect((encoded.height, encoded.width), image_shape):
        raise UnusableFile(
            f"found lung masks of {encoded.width} x {encoded.height} pixels on an image of {width} x {height}; "
            "expected the same size or aspect; take the masks of the original resolution, or the image as published"
        )
    check_samples(encoded.width, encoded.height, 1, settings)
    right, left = (decode_runs(text, encoded.height, encoded.width) for text in (encoded.right, encoded.left))
    lungs = joined_sides(right, left)
    if lungs.shape == image_shape:
        return lungs
    rows = (2 * np.arange(height) + 1) * encoded.height // (2 * height)
    columns = (2 * np.arange(width) + 1) * encoded.width // (2 * width)
    return np.asarray(lungs[np.ix_(rows, columns)])


def _same_aspect(mask: tuple[int, int], image: tuple[int, int]) -> bool:
    (mask_height, mask_width), (height, width) = mask, image
    return abs(mask_width * height - width * mask_height) <= max(height, width)


def joined_sides(right: Bools, left: Bools) -> U8:
    """One map of labels from the masks of two lungs; sides are as declared, not as they lie.

    Pixels that both claim go to the lung whose centroid is nearer, to the right one where both are as near.

    Args:
        right: bool (H, W), the patient's right lung, which lies image-left.
        left: bool (H, W), the patient's left lung.

    Returns:
        uint8 (H, W): 0 background, 1 patient-right, 2 patient-left.

    Raises:
        UnusableFile: masks of two sizes, an empty mask, one mask for both sides, or sides that are exchanged.
    """
    if right.shape != left.shape:
        raise UnusableFile(
            f"found lung masks of {right.shape[1]} x {right.shape[0]} and {left.shape[1]} x {left.shape[0]} pixels; "
            "expected one size; save both on their image's grid"
        )
    for side, mask in (("right", right), ("left", left)):
        if not mask.any():
            raise UnusableFile(f"found an empty mask of the {side} lung; expected a lung; draw it or leave both out")
    both = right & left
    if both.sum() > LARGEST_OVERLAP * min(right.sum(), left.sum()):
        raise UnusableFile(
            "found lung masks that share more than half of the smaller one; expected one lung in each; "
            "declare a mask of both lungs as lung_mask or mask_folder"
        )
    centers = [_center(mask) for mask in (right, left)]
    if centers[0][1] >= centers[1][1]:
        raise UnusableFile(
            "found the mask of the right lung to the right of the left lung's; expected the patient's right lung on "
            "the left of the image; exchange the two in the declaration, or mirror image and masks"
        )
    lungs = np.where(right, np.uint8(1), np.uint8(0))
    lungs[left & ~right] = 2
    shared = np.argwhere(both)
    far = [((shared - center) ** 2).sum(axis=1) for center in centers]
    lungs[tuple(shared[far[1] < far[0]].T)] = 2
    return lungs


def _center(mask: Bools) -> tuple[float, float]:
    """Row and column of the centroid."""
    sums = mask.sum(axis=1), mask.sum(axis=0)
    row, column = (float(counts @ np.arange(len(counts)) / counts.sum()) for counts in sums)
    return row, column
