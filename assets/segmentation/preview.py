"""Contact sheet of lung masks."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assets.pictures import contact_sheet, fitted, fitted_labels, outline

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def mask_sheet(
    images: Sequence[F32], lungs: Sequence[U8], captions: Sequence[str], columns: int = 6, side: int = 120
) -> U8:
    """Radiographs with the outlines of their lungs, patient-right orange, patient-left blue.

    Args:
        images: (H, W) each, in [0, 1].
        lungs: (H, W) labels each.
        captions: one a radiograph, such as a short radiograph id and a flag.
        columns: tiles in a row.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no image, or lists of different lengths.
    """
    tiles = [
        outline(fitted(image, side), fitted_labels(labels, side)) for image, labels in zip(images, lungs, strict=True)
    ]
    return contact_sheet(tiles, min(columns, max(1, len(tiles))), captions)
