"""Which detections find a box: greedily by score, each box once."""

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from assets.localisation.boxes import iou

F64 = npt.NDArray[np.float64]
Outcomes = npt.NDArray[np.int8]


class Found(IntEnum):
    """What a detection comes to."""

    NOTHING = 0
    BOX = 1
    AGAIN = 2


def matched(detections: F64, boxes: F64, least: float) -> Outcomes:
    """What each detection of a radiograph comes to.

    In the order of their scores, each takes the box that it overlaps best among those that are not taken yet. One that
    overlaps only boxes that are taken has found one of them again.

    Args:
        detections: (D, 4), highest score first.
        boxes: (K, 4), what was drawn, in the same pixels.
        least: intersection over union from which a box is found.

    Returns:
        (D,) int8, values of `Found`.
    """
    outcomes = np.zeros(len(detections), np.int8)
    if not len(boxes):
        return outcomes
    overlaps = iou(detections, boxes)
    free = np.ones(len(boxes), np.bool_)
    for position, row in enumerate(overlaps):
        reached = row >= least
        if (reached & free).any():
            outcomes[position] = Found.BOX
            free[int(np.where(reached & free, row, -1).argmax())] = False
        elif reached.any():
            outcomes[position] = Found.AGAIN
    return outcomes
