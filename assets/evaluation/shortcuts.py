"""What a score that sees no disease reaches: areas of lung size, brightness and warp.

A headline that does not clearly exceed these may have been read from them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.evaluation.roc import Auc, Undefined, auc

F32 = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Shortcut:
    """How well one such quantity separates the classes.

    Attributes:
        name: what was measured.
        auc: its area as it stands, below 1/2 where abnormal patients have less of it; None where undefined.
        reason: empty, or why `auc` is missing.
    """

    name: str
    auc: Auc | None
    reason: str = ""

    @property
    def strength(self) -> float | None:
        """Area in the direction that separates better, at least 1/2: what a model could make of the quantity."""
        return None if self.auc is None else max(self.auc.area, 1 - self.auc.area)


def shortcut_aucs(
    quantities: Mapping[str, npt.ArrayLike], labels: npt.ArrayLike, confidence: float = 0.95
) -> list[Shortcut]:
    """Area of each quantity for the same patients as the headline.

    Args:
        quantities: (N,) values by their name, for example the lung's share, its mean intensity and its mean
            |det J - 1|. One that was not measured for every patient (NaN) is reported as undefined.
        labels: (N,), true is abnormal.
        confidence: level of the intervals.

    Raises:
        ValueError: shapes differ.
    """
    shortcuts = []
    for name, values in quantities.items():
        try:
            shortcuts.append(Shortcut(name, auc(values, labels, confidence)))
        except Undefined as undefined:
            shortcuts.append(Shortcut(name, None, str(undefined)))
    return shortcuts


def strongest(shortcuts: list[Shortcut]) -> Shortcut | None:
    """The quantity that separates best in either direction, the first of equals; None where none is defined."""
    defined = [shortcut for shortcut in shortcuts if shortcut.auc is not None]
    return max(defined, key=lambda shortcut: shortcut.strength or 0.0, default=None)


def lung_area_ratio(lungs: Pixels) -> float:
    """Share of an (H, W) label image that is lung, in [0, 1]."""
    return float((lungs > 0).mean())


def mean_lung_intensity(image: F32, lungs: Pixels) -> float:
    """Mean of an (H, W) image over the lungs, in its units; NaN without lungs."""
    inside = lungs > 0
    return float(image[inside].mean(dtype=np.float64)) if inside.any() else float("nan")


def mean_jacobian_deviation(displacement: F32, lungs: Pixels) -> float:
    """Mean of |det J - 1| over the lungs: how much the warp changes areas.

    Convention:
        displacement is (2, H, W) in pixels, channel 0 = x; det J is that of the backward map p -> p + u(p), by
        central differences, and lungs are on the grid of the field.

    Returns:
        A number >= 0, 0 for a translation; NaN without lungs.
    """
    inside = lungs > 0
    if not inside.any():
        return float("nan")
    ux_y, ux_x = np.gradient(displacement[0].astype(np.float64))
    uy_y, uy_x = np.gradient(displacement[1].astype(np.float64))
    determinant = (1 + ux_x) * (1 + uy_y) - ux_y * uy_x
    return float(np.abs(determinant - 1)[inside].mean())
