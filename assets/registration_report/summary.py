"""What a report says in short: one line an arm, and whether IT-DPR keeps its promises."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Row = Mapping[str, Any]

MEANS = (
    "landmark_px_mean",
    "dice",
    "hd95_px",
    "outline_px",
    "folded_share",
    "log_jacobian_sd",
    "inverse_mean_px",
)
LARGEST = ("inverse_max_px", "peak_mib")
# A few images decide the mean of a time, and lesions that lie half outside the lungs that of a ratio.
MEDIANS = ("lesion_area_ratio", "lesion_contrast_ratio", "ms")
PRESERVED = (0.97, 1.03)


def arm_line(rows: Sequence[Row]) -> dict[str, float | None]:
    """Columns of an arm over its rows: means, medians of lesion ratios and time, the largest of memory.

    `landmark_px_p90` is the mean of the rows' 90th percentiles. What no row knows is None.
    """
    line = {name: _over(rows, name, np.mean) for name in (*MEANS, "landmark_px_p90")}
    line |= {name: _over(rows, name, np.median) for name in MEDIANS}
    return line | {name: _over(rows, name, np.max) for name in LARGEST}


def arm_lines(rows: Sequence[Row]) -> dict[str, dict[str, float | None]]:
    """`arm_line` of every arm that has a row, in the order of first appearance."""
    arms = dict.fromkeys(row["arm"] for row in rows)
    return {arm: arm_line([row for row in rows if row["arm"] == arm]) for arm in arms}


def preserved(line: Mapping[str, float | None]) -> bool | None:
    """Whether an arm's median lesion keeps area and contrast within 0.97 to 1.03; None where no lesion is known."""
    ratios = [line["lesion_area_ratio"], line["lesion_contrast_ratio"]]
    known = [ratio for ratio in ratios if ratio is not None]
    return all(PRESERVED[0] <= ratio <= PRESERVED[1] for ratio in known) if known else None


def _over(rows: Sequence[Row], name: str, how: Any) -> float | None:  # noqa: ANN401 (a NumPy reduction)
    values = [row[name] for row in rows if row.get(name) is not None]
    return float(how(values)) if values else None
