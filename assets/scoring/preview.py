"""Contact sheets of anomaly maps over their radiographs, in the frame and on the radiographs themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Shown:
    """A radiograph with its maps, each with the lungs and the lesion of its own grid.

    Attributes:
        image: (S, S) in [0, 1], in the frame.
        anomaly: (S, S), the map, in units of the image.
        z: (S, S), the map in spreads of normals; None without normal maps.
        lungs: (S, S) labels or mask.
        lesion: (S, S) mask, None where none is known.
        native_image: (H, W) in [0, 1], the radiograph on its canvas.
        native: (H, W), the map carried back onto the canvas.
        native_lungs: (H, W) labels or mask.
        native_lesion: (H, W) mask, None where none is known.
        caption: such as its label and score.
    """

    image: F32
    anomaly: F32
    z: F32 | None
    lungs: Pixels
    lesion: Pixels | None
    native_image: F32
    native: F32
    native_lungs: Pixels
    native_lesion: Pixels | None
    caption: str


def maps_sheet(shown: Sequence[Shown], *, sigma: float = 2.0, side: int = 128) -> U8:
    """Four tiles a radiograph: in the frame, its map, its z-score map, and the map on the radiograph itself.

    Two radiographs lie side by side; maps share one scale, z-score maps another; lesions are outlined in green. Without
    normal maps the third tile is the plain image again.

    Args:
        shown: one radiograph or more.
        sigma: smoothing of the maps, pixels at 256.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no radiograph.
    """
    maps = [smooth_in_lung(each.anomaly, each.lungs, sigma) for each in shown]
    natives = [smooth_in_lung(each.native, each.native_lungs, sigma) for each in shown]
    lungs = [each.lungs for each in shown]
    z = [smooth_in_lung(np.zeros_like(each.image) if each.z is None else each.z, each.lungs, sigma) for each in shown]
    full, full_z = _full_scale(maps, lungs), _full_scale(z, lungs)
    tiles: list[RGB] = []
    for each, values, scores, native in zip(shown, maps, z, natives, strict=True):
        image, canvas = fitted(each.image, side), fitted(each.native_image, side)
        scale = side / max(each.image.shape)
        in_frame = (to_rgb(image), heat(image, fitted(values, side), full), heat(image, fitted(scores, side), full_z))
        tiles += [_marked(picture, each.lesion, scale) for picture in in_frame]
        tiles.append(_marked(heat(canvas, fitted(native, side), full), each.native_lesion, scale))
    under = [text for each in shown for text in (each.caption, f"to {full:.2f}", f"z to {full_z:.1f}", "radiograph")]
    return contact_sheet(tiles, 4 * min(2, len(shown)) if shown else 4, under)


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
