"""From a map to boxes: regions that stand out of it, each with a score."""

import cv2
import numpy as np
import numpy.typing as npt

from assets.localisation.settings import LocalisationSettings
from assets.scoring.anomaly_map import REFERENCE_SIDE

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def detect(
    anomaly_map: F32, smoothed: F32, lungs: Mask, threshold: float | None, settings: LocalisationSettings
) -> F64:
    """Regions of a map that stand out, as boxes with scores.

    The smoothed map is cut at the higher of `threshold` and a share of its own maximum. Connected regions (neighbors
    by side or corner) are boxed; those of too small an area are left out. A region's score is the mean of the map in
    it times the root of its area, in pixels at a side of 256.

    Args:
        anomaly_map: (H, W) float32, at least 0.
        smoothed: the same, smoothed inside the lungs.
        lungs: (H, W) bool.
        threshold: in units of the map, usually what few pixels of normal radiographs exceed; None for none.
        settings: of the stage.

    Returns:
        (K, 5), columns x, y, width, height, score, highest score first; (0, 5) where nothing stands out, as in a map
        that is 0.
    """
    highest = float(smoothed.max(initial=0))
    if highest <= 0:
        return np.zeros((0, 5))
    standing_out = smoothed >= max(settings.relative_threshold * highest, threshold or 0.0)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((standing_out & lungs).astype(np.uint8), connectivity=8)
    areas = np.asarray(stats[:, cv2.CC_STAT_AREA], dtype=np.float64)
    # Only regions are summed: of a map that is cut high the rest is nearly all of it.
    sums = np.bincount(labels[labels > 0], anomaly_map[labels > 0], count)
    scores = sums / np.sqrt(areas) * REFERENCE_SIDE / max(anomaly_map.shape)
    regions = np.concatenate([np.asarray(stats[:, :4], dtype=np.float64), scores[:, None]], axis=1)
    # Region 0 is what does not stand out.
    large = np.flatnonzero(areas[1:] >= settings.smallest_share * anomaly_map.size) + 1
    best_first = large[np.argsort(-scores[large], kind="stable")]
    return np.asarray(regions[best_first[: settings.detections]])
