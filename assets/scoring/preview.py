"""Contact sheet of anomaly maps over their radiographs."""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
import numpy.typing as npt

from assets.pictures import GREEN, RGB, contact_sheet, fitted, fitted_labels, heat, to_rgb, with_boxes, with_contour
from assets.scoring.anomaly_map import smooth_in_lung

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]
Target = Pixels | Sequence[Sequence[float]]


def anomaly_sheet(
    images: Sequence[F32],
    maps: Sequence[F32],
    lungs: Sequence[Pixels],
    captions: Sequence[str],
    targets: Sequence[Target | None] | None = None,
    *,
    sigma: float = 2.0,
    vmax: float | None = None,
    groups: int = 3,
    side: int = 128,
) -> U8:
    """Pairs of radiograph and map over it, the lesion outlined in green on both, `groups` pairs in a row.

    Args:
        images: (S, S) each, in [0, 1].
        maps: (S, S) each, in units of the image; smoothed here for display, with one scale for all.
        lungs: (S, S) labels or masks each.
        captions: one a radiograph, such as its score and label, under its first tile.
        targets: a radiograph's lesion mask (S, S), its boxes (x, y, width, height in pixels of the image), or None.
        sigma: smoothing, pixels at a side of 256.
        vmax: value drawn in full color; by default the 99.8 percentile of all smoothed maps' lung pixels.
        groups: radiographs in a row.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no radiograph, or lists of different lengths.
    """
    shown = [smooth_in_lung(values, mask, sigma) for values, mask in zip(maps, lungs, strict=True)]
    full = vmax or _full_scale(shown, lungs)
    tiles: list[RGB] = []
    for image, values, target in zip(images, shown, targets or repeat(None, len(shown)), strict=True):
        small = fitted(image, side)
        pair = (to_rgb(small), heat(small, fitted(values, side), full))
        tiles += [_marked(picture, target, side / max(image.shape)) for picture in pair]
    under = [text for caption in captions for text in (caption, "")]
    return contact_sheet(tiles, 2 * min(groups, max(1, len(tiles) // 2)), under)


def _full_scale(maps: Sequence[F32], lungs: Sequence[Pixels]) -> float:
    inside = [values[mask > 0] for values, mask in zip(maps, lungs, strict=True)]
    pixels = np.concatenate([*inside, np.zeros(1, np.float32)])
    return max(float(np.quantile(pixels, 0.998)), 1e-6)


def _marked(picture: RGB, target: Target | None, scale: float) -> RGB:
    if target is None:
        return picture
    if isinstance(target, np.ndarray):
        return with_contour(picture, fitted_labels(target > 0, max(picture.shape)), GREEN)
    return with_boxes(picture, [[scale * number for number in box] for box in target], GREEN)
