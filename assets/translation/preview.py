"""Pictures of a translator: radiographs beside their translations, and the training's losses."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from assets.charts import history_panels
from assets.pictures import contact_sheet, fitted, heat, to_rgb

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


def translation_sheet(
    images: Iterable[F32],
    translated: Iterable[F32],
    differences: Iterable[F32],
    captions: Sequence[str] | None = None,
    groups: int = 2,
    side: int = 112,
    vmax: float = 0.25,
) -> U8:
    """Radiograph, its translation to normal, and their difference, `groups` of three in a row.

    Args:
        images: x, (S, S) each, in [0, 1].
        translated: G(x), (S, S) each, in [0, 1].
        differences: |x - G(x)|, (S, S) each, in units of the images.
        captions: one a radiograph, under the first tile of its group.
        groups: radiographs in a row.
        side: longer side of a tile in pixels.
        vmax: difference drawn in full color, in units of the images.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no radiograph, or lists of different lengths.
    """
    tiles = []
    for image, generated, difference in zip(images, translated, differences, strict=True):
        shown = fitted(difference, side)
        tiles += [to_rgb(fitted(image, side)), to_rgb(fitted(generated, side))]
        tiles.append(heat(np.zeros_like(shown), shown, vmax))
    under = [text for caption in captions or () for text in (caption, "", "")]
    groups = min(groups, max(1, len(tiles) // 3))
    return contact_sheet(tiles, 3 * groups, under, ("x", "G(x)", "|x - G(x)|") * groups)


def training_curves(history: Sequence[Mapping[str, float]]) -> U8:
    """One panel a loss. Adversarial losses need not fall: judge a translator by held-out scores."""
    return history_panels(history)
