"""How well a map's pixels tell a lesion from the rest of the lungs, in the frame of the map."""

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def lesion_measures(values: F32, lesion: Mask, lungs: Mask) -> dict[str, float]:
    """Area under the ROC curve and average precision of the lungs' pixels, lesion against the rest.

    Only the lungs count, so that the easy background helps nobody. Chance is 0.5 for the area and the lesion's share
    of the lungs for the precision.

    Args:
        values: (S, S) float32 map.
        lesion: (S, S) bool.
        lungs: (S, S) bool.

    Returns:
        `lesion_auc` and `lesion_ap`; nothing where the lesion has no pixel in the lungs or leaves none beside it.
    """
    inside, truth = values[lungs], lesion[lungs]
    if truth.all() or not truth.any():
        return {}
    order = np.argsort(-inside, kind="stable")
    # Pixels of one value pass a threshold together.
    last = np.append(np.flatnonzero(np.diff(inside[order])), len(order) - 1)
    hits = np.cumsum(truth[order])[last]
    recall, alarms = hits / hits[-1], (last + 1 - hits) / (len(order) - hits[-1])
    steps = np.diff(recall, prepend=0.0)
    return {
        "lesion_auc": float(np.trapezoid(np.append(0.0, recall), np.append(0.0, alarms))),
        "lesion_ap": float((steps * hits / (last + 1)).sum()),
    }
