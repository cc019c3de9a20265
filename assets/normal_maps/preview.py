"""Sheet of what is usual: mean and spread of every arm's maps."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assets.pictures import RGB, contact_sheet, fitted, heat
from assets.translation.moments import Usual

_SIDE = 160
_SHARE = 0.998


def normals_sheet(found: Sequence[Usual], counts: Sequence[npt.NDArray[np.float64]], captions: Sequence[str]) -> RGB:
    """Mean and spread side by side for each arm, two arms a row, each in the arm's own scale.

    Args:
        found: mean and spread of every arm, (S, S) each.
        counts: how many normals have lung at a pixel, (S, S) each; drawn in gray below the colors.
        captions: name of every arm.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no arm, or lists of different lengths.
    """
    tiles: list[RGB] = []
    under: list[str] = []
    for each, count, caption in zip(found, counts, captions, strict=True):
        inside = count > 0
        for values, name in ((each.mean, caption), (each.spread, "spread")):
            shown = np.where(inside, values, 0).astype(np.float32)
            full = max(float(np.quantile(shown[inside], _SHARE)), 1e-6) if inside.any() else 1.0
            gray = fitted((count / max(count.max(), 1)).astype(np.float32) * 0.35, _SIDE)
            tiles.append(heat(gray, fitted(shown, _SIDE), full))
            under.append(f"{name} to {full:.2f}")
    return contact_sheet(tiles, 4 if len(found) > 1 else 2, under)
