"""Dice of the segmenters against supplied masks, by cohort, label and split."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Row = Mapping[str, Any]

METHODS = ("trained", "pbtseg")
POOR_DICE = 0.85
DICE_COLUMNS = {
    "method": "string",
    "cohort": "string",
    "label": "string",
    "split": "string",
    "rows": "int",
    "mean_right": "float",
    "mean_left": "float",
    "p5_worse_lung": "float",
    "share_below_0.85": "float",
}
_SPLITS = ("train", "validation", "test")
_DIGITS = 4


def dice_table(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Agreement of each segmenter with the supplied masks, a record for every cohort, label and split it occurs in.

    Args:
        rows: with `cohort`, `label`, `split` and, for each method M of METHODS, `dice_M_right` and `dice_M_left`
            in [0, 1]. A row without both of a method (no supplied mask) does not count for it; a lung that a method
            did not find has the Dice 0, not null.

    Returns:
        Records with the columns DICE_COLUMNS: by method, cohort and label, splits in the order train, validation,
        test. `p5_worse_lung` is the 5th percentile (interpolated linearly) of each row's worse lung and
        `share_below_0.85` the share of rows whose worse lung lies below .85. No row, no record.
    """
    groups: dict[tuple[int, str, str, int], list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        for number, method in enumerate(METHODS):
            right, left = row[f"dice_{method}_right"], row[f"dice_{method}_left"]
            if right is not None and left is not None:
                place = (number, row["cohort"], row["label"], _SPLITS.index(row["split"]))
                groups[place].append((right, left))
    return [
        {"method": METHODS[number], "cohort": cohort, "label": label, "split": _SPLITS[split]}
        | _summary(np.array(dice))
        for (number, cohort, label, split), dice in sorted(groups.items())
    ]


def _summary(dice: npt.NDArray[np.float64]) -> dict[str, Any]:
    worse = dice.min(axis=1)
    right, left = dice.mean(axis=0)
    return {
        "rows": len(dice),
        "mean_right": round(float(right), _DIGITS),
        "mean_left": round(float(left), _DIGITS),
        "p5_worse_lung": round(float(np.percentile(worse, 5)), _DIGITS),
        "share_below_0.85": round(float(np.mean(worse < POOR_DICE)), _DIGITS),
    }
