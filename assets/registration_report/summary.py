"""What a report says in short: one line an arm, and whether IT-DPR keeps its promises."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from assets.registration_report.settings import ArmName

Row = Mapping[str, Any]

# Column of a line -> column of the rows.
MEANS = {"landmark_px_mean": "landmark_px_mean", "landmark_px_p90_mean": "landmark_px_p90"} | {
    name: name for name in ("dice", "hd95_px", "outline_px", "folded_share", "log_jacobian_sd", "inverse_mean_px")
}
LARGEST = ("inverse_max_px", "peak_mib")
# A few images decide the mean of a time, and lesions that lie half outside the lungs that of a ratio.
MEDIANS = ("lesion_area_ratio", "lesion_contrast_ratio", "ms")
PRESERVED = (0.97, 1.03)
# A median of 1 may hide lesions that were squeezed beside others that grew.
SPREAD = {"lesion_area_ratio_p10": 10, "lesion_area_ratio_p90": 90}


def arm_line(rows: Sequence[Row]) -> dict[str, float | None]:
    """Columns of an arm over its rows: means, medians of lesion ratios and time, the largest of memory.

    `landmark_px_p90_mean` is the mean of the rows' 90th percentiles, not that of all landmarks pooled, which the
    benchmark prints. `lesion_area_ratio_p10` and `_p90` are percentiles over rows. What no row knows is None.
    """
    line = {name: _over(rows, column, np.mean) for name, column in MEANS.items()}
    line |= {name: _over(rows, name, np.median) for name in MEDIANS}
    line |= {name: _over(rows, "lesion_area_ratio", partial(np.percentile, q=q)) for name, q in SPREAD.items()}
    return line | {name: _over(rows, name, np.max) for name in LARGEST}


def arm_lines(rows: Sequence[Row]) -> dict[str, dict[str, float | None]]:
    """`arm_line` of every arm that has a row, in the order of first appearance."""
    arms = dict.fromkeys(row["arm"] for row in rows)
    return {arm: arm_line([row for row in rows if row["arm"] == arm]) for arm in arms}


def arm_table(
    registered: Mapping[str, int],
    asked: int,
    steps: Mapping[ArmName, int],
    lines: Mapping[str, Mapping[str, float | None]],
) -> list[dict[str, Any]]:
    """A row an arm: how many of the asked radiographs it registered, steps of its training, and its line.

    Args:
        registered: arm -> radiographs, in the order of the report.
        asked: radiographs that every arm was asked to register.
        steps: of the learned arms.
        lines: from `arm_lines`; an arm that registered nothing has none, and its columns are None.
    """
    learned: dict[str, int] = {str(arm): count for arm, count in steps.items()}
    return [
        {"arm": arm, "registered": count, "asked": asked, "steps": learned.get(arm), **(lines.get(arm) or arm_line([]))}
        for arm, count in registered.items()
    ]


def rounded(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows whose floats have four significant digits: more than that is noise to a reader."""
    return [
        {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in row.items()}
        for row in rows
    ]


def preserved(line: Mapping[str, float | None]) -> bool | None:
    """Whether an arm's median lesion keeps area and contrast within 0.97 to 1.03; None where no lesion is known."""
    ratios = [line["lesion_area_ratio"], line["lesion_contrast_ratio"]]
    known = [ratio for ratio in ratios if ratio is not None]
    return all(PRESERVED[0] <= ratio <= PRESERVED[1] for ratio in known) if known else None


def _over(rows: Sequence[Row], name: str, how: Any) -> float | None:  # noqa: ANN401 (a NumPy reduction)
    values = [row[name] for row in rows if row.get(name) is not None]
    return float(how(values)) if values else None
