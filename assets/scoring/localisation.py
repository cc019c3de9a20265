"""Does an anomaly map point at the lesion: pixel AUC and pointing game inside the lungs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assets.scoring.anomaly_map import smooth_in_lung

F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]

TIE = 1e-6


def lesion_pixel_auc(anomaly_map: F32, lesion: Pixels, lungs: Pixels) -> float | None:
    """AUC with which the map's pixels separate lesion from the rest of the lungs.

    Restricting it to the lungs leaves out the easy background. Against boxes, which are coarse masks, even a
    perfect map stays below 1: call that one box-pixel AUC.

    Args:
        anomaly_map: (S, S) float32.
        lesion: (S, S), non-zero inside the lesion.
        lungs: (S, S), non-zero inside the lungs.

    Returns:
        AUC in [0, 1], or None where the lesion has no pixel in the lungs or leaves none beside it.

    Raises:
        ValueError: shapes differ.
    """
    inside, target = _lung_pixels(anomaly_map, lesion, lungs)
    truth = target[inside]
    if truth.all() or not truth.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, anomaly_map[inside]))


def pointing_game(anomaly_map: F32, lesion: Pixels, lungs: Pixels, sigma: float) -> float | None:
    """Whether the highest pixel of the smoothed map lies in the lesion.

    Ties (within one millionth of the maximum) share the hit: the result is the share of the highest pixels that
    lie in the lesion, which is 0 or 1 without ties and the chance level for a constant map.

    Args:
        anomaly_map: (S, S) float32.
        lesion: (S, S), non-zero inside the lesion or its boxes.
        lungs: (S, S), non-zero inside the lungs; the highest pixel is looked for here.
        sigma: Gaussian smoothing, pixels at a side of 256.

    Returns:
        A hit in [0, 1], or None where the lesion has no pixel in the lungs.

    Raises:
        ValueError: shapes differ.

    Source: pointing game of Zhang et al. 2018, arXiv:1608.00507.
    """
    inside, target = _lung_pixels(anomaly_map, lesion, lungs)
    if not target.any():
        return None
    smoothed = smooth_in_lung(anomaly_map, inside, sigma)
    highest = float(smoothed[inside].max())
    peaks = inside & (smoothed >= highest - TIE * abs(highest))
    return float(target[peaks].mean())


def pointing_chance(lesion: Pixels, lungs: Pixels) -> float | None:
    """Pointing game of a blind guess: the lesion's share of the lungs; None where it has no pixel in them."""
    inside: Mask = lungs > 0
    target = inside & (lesion > 0)
    return float(target.sum() / inside.sum()) if target.any() else None


def boxes_mask(boxes: Sequence[Sequence[float]], shape: tuple[int, int]) -> Mask:
    """Union of boxes as a mask.

    Convention:
        a box is x, y, width, height in pixels of the mask; pixel centers are at integers, so the box x=10, width=5
        holds the columns 10 to 14: those with x - 1/2 <= column < x + width - 1/2.

    Args:
        boxes: four numbers each.
        shape: (H, W) of the mask.

    Returns:
        (H, W) bool.

    Raises:
        ValueError: a box without four numbers or without a positive size.
    """
    mask: Mask = np.zeros(shape, dtype=np.bool_)
    columns, rows = np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5
    for row, box in enumerate(boxes):
        if len(box) != 4 or not min(box[2], box[3]) > 0:
            raise ValueError(f"boxes[{row}] must be x, y, width > 0, height > 0, got {list(box)}")
        x, y, width, height = box
        across = (columns >= x) & (columns < x + width)
        down = (rows >= y) & (rows < y + height)
        mask |= down[:, None] & across[None, :]
    return mask


def _lung_pixels(anomaly_map: F32, lesion: Pixels, lungs: Pixels) -> tuple[Mask, Mask]:
    inside: Mask = lungs > 0
    target: Mask = lesion > 0
    if not anomaly_map.shape == target.shape == inside.shape:
        raise ValueError(
            f"anomaly_map {anomaly_map.shape}, lesion {target.shape} and lungs {inside.shape} must have one shape"
        )
    return inside, inside & target
