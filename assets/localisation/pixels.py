"""How well a map's pixels tell a lesion from the rest of the lungs."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

FALSE_POSITIVE_LIMIT = 0.3


@dataclass(frozen=True)
class PixelMeasures:
    """Measures inside the lungs, where the background is as hard as it gets.

    Attributes:
        auc: area under the ROC curve of the pixels.
        ap: average precision of the pixels, whose chance level is the lesion's share of the lungs.
        aupro: mean overlap with the lesion's parts over false-positive rates up to 0.3, in [0, 1].
        dice_oracle: highest Dice over all thresholds, which nobody knows beforehand.
    """

    auc: float
    ap: float
    aupro: float
    dice_oracle: float


@dataclass(frozen=True)
class _Curve:
    """What lies at or above each of a map's K values, highest first, behind a first point where nothing does.

    Attributes:
        hits: (K + 1,) pixels of the lesion.
        false: (K + 1,) other pixels of the lungs.
        overlap: (K + 1,) share of each part of the lesion, averaged over the parts.
    """

    hits: F64
    false: F64
    overlap: F64


def pixel_measures(anomaly_map: F32, lesion: Mask, lungs: Mask) -> PixelMeasures | None:
    """Measures of a map against a lesion mask, or against filled boxes.

    Boxes are coarse masks, so against them even a perfect map stays below 1: call that box-pixel AUC.

    Args:
        anomaly_map: (H, W) float32.
        lesion: (H, W) bool.
        lungs: (H, W) bool; only these pixels count.

    Returns:
        None where the lesion has no pixel in the lungs or leaves none beside it.

    Source: AUPRO as in Bergmann et al. 2020, arXiv:1911.02357, section 4.2. It is divided by the limit of the
        false-positive rate itself and the curve is cut exactly there, so it never exceeds 1.
    """
    truth = lesion[lungs]
    if truth.all() or not truth.any():
        return None
    # One ranking serves all four; a library's functions would each sort the pixels again.
    curve = _curve(anomaly_map, lesion, lungs)
    recall, rate = curve.hits / curve.hits[-1], curve.false / curve.false[-1]
    precision = curve.hits[1:] / (curve.hits + curve.false)[1:]
    return PixelMeasures(
        auc=float(np.trapezoid(recall, rate)),
        ap=float((np.diff(recall) * precision).sum()),
        aupro=_area_up_to(FALSE_POSITIVE_LIMIT, rate, curve.overlap),
        dice_oracle=float((2 * curve.hits / (curve.hits + curve.false + curve.hits[-1])).max()),
    )


def dice(predicted: Mask, lesion: Mask, lungs: Mask) -> float:
    """Dice coefficient inside the lungs; 1 where both are empty, 0 where only the prediction is not."""
    shown, truth = predicted & lungs, lesion & lungs
    total = int(shown.sum() + truth.sum())
    return 1.0 if total == 0 else float(2 * (shown & truth).sum() / total)


def _curve(anomaly_map: F32, lesion: Mask, lungs: Mask) -> _Curve:
    count, labels = cv2.connectedComponents((lesion & lungs).astype(np.uint8), connectivity=8)
    part, values = labels[lungs], anomaly_map[lungs]
    order = np.argsort(-values, kind="stable")
    part, values = part[order], values[order]
    share = 1 / (np.bincount(part, minlength=count) * (count - 1))
    overlap = np.where(part > 0, share[part], 0.0)
    # Pixels of one value pass a threshold together.
    last = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    hits, false, overlaps = (
        np.concatenate([[0.0], np.cumsum(each, dtype=np.float64)[last]]) for each in (part > 0, part == 0, overlap)
    )
    return _Curve(hits, false, overlaps)


def _area_up_to(limit: float, rate: F64, height: F64) -> float:
    below = rate < limit
    x, y = np.append(rate[below], limit), np.append(height[below], np.interp(limit, rate, height))
    # Shares that sum to 1 may do so within rounding only.
    return min(1.0, float(np.trapezoid(y, x) / limit))
