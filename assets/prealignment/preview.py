"""Pictures of the alignment: each radiograph before and after, and what the mean of all gains."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assets.pictures import checkerboard, contact_sheet, fitted, fitted_labels, outline

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def alignment_sheet(
    before: Sequence[F32],
    lungs: Sequence[U8],
    after: Sequence[F32],
    reference_lungs: U8,
    reference: F32,
    captions: Sequence[str] | None = None,
    side: int = 104,
) -> U8:
    """A row a radiograph: before with its lungs, after with the reference's, and in turns with the reference.

    Args:
        before: (H, W) each, in [0, 1].
        lungs: (H, W) labels each, of the radiographs before.
        after: (H, W) each, on the grid of the reference.
        reference_lungs: (H, W) labels.
        reference: (H, W), the reference radiograph.
        captions: one a radiograph, under the first tile of its row.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no radiograph, or lists of different lengths.
    """
    fixed, fixed_lungs = fitted(reference, side), fitted_labels(reference_lungs, side)
    tiles = []
    for image, labels, aligned in zip(before, lungs, after, strict=True):
        moved = fitted(aligned, side)
        tiles += [
            outline(fitted(image, side), fitted_labels(labels, side)),
            outline(moved, fixed_lungs),
            checkerboard(moved, fixed),
        ]
    under = [text for caption in captions or () for text in (caption, "", "")]
    headings = ("before", "aligned", "aligned | ref.")
    return contact_sheet(tiles, 3, under, headings)


def mean_image_sheet(
    before: Sequence[F32], after: Sequence[F32], reference_lungs: U8 | None = None, side: int = 224
) -> U8:
    """Mean of the radiographs before and after alignment: it sharpens where anatomy came together.

    Args:
        before: (H, W) each, in [0, 1], of one shape.
        after: (H, W) each, on the grid of the reference.
        reference_lungs: (H, W) labels to outline on the mean after alignment.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no radiograph.
    """
    means = [fitted(np.mean(np.stack(list(stack)), axis=0), side) for stack in (before, after)]
    tiles = [outline(mean, np.zeros(mean.shape, np.uint8)) for mean in means]
    headings = [f"mean of {len(before)} before", f"mean of {len(after)} after"]
    if reference_lungs is not None:
        tiles.append(outline(means[1], fitted_labels(reference_lungs, side)))
        headings.append("after, reference lungs")
    return contact_sheet(tiles, len(tiles), headings=headings)
