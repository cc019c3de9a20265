"""Rows of a study's table as texts, for Markdown and HTML."""

from collections.abc import Mapping
from typing import Any

from assets.evaluation.html import MISSING, bounded, number, p_value
from assets.study.entries import ALL

Row = Mapping[str, Any]
Cells = tuple[str, ...]
NOT_ABOVE = " ≤ shortcut"

AREAS = (
    "arm",
    "score",
    "seeds",
    "normal",
    "abnormal",
    "AUC",
    "single seeds' mean",
    "their sd",
    "AP",
    "sensitivity",
    "sensitivity / specificity at the threshold",
)
CONTRASTS = ("arm", "against", "difference", "seeds", "normal / abnormal", "p", "p (Holm)", "detectable")
BASELINES = ("arm", "baseline", "single seeds' mean over it", "normal / abnormal", "p", "p (Holm)")
COSTS = ("arm", "folds", "steps", "passes over the data", "training images", "seconds in all")
QUALITY = (
    "arm",
    "Dice of the lungs",
    "folded",
    "change of normals",
    "planted lesions gone",
    "planted PSNR (untouched)",
    "KID (floor)",
    "classifier drop",
)
BRIEF = (
    "arm",
    "seeds",
    "AUC",
    "single seeds' mean",
    "difference",
    "p (Holm)",
    "over baseline",
    "p (Holm)",
    "AP",
    "sensitivity",
    "passes",
    "seconds",
)


def area_cells(row: Row) -> Cells:
    """Under `AREAS`."""
    return (
        name(row),
        ", ".join(score.removeprefix("score_") for score in row["scores"]),
        str(row["seeds"]),
        str(row["normals"]),
        str(row["abnormals"]),
        area(row),
        interval(row, "seed_mean"),
        number(row["seed_sd"]),
        number(row["average_precision"]),
        number(row["sensitivity"]),
        f"{number(row['sensitivity_at_threshold'])} / {number(row['specificity_at_threshold'])}",
    )


def contrast_cells(row: Row) -> Cells:
    """Under `CONTRASTS`."""
    return (
        name(row),
        row.get("compared_to") or MISSING,
        interval(row, "difference", signed=True),
        number(row.get("compared_seeds"), 0),
        _counted(row, "compared"),
        p_value(row.get("p")),
        p_value(row.get("p_holm")),
        number(row.get("detectable")),
    )


def baseline_cells(row: Row) -> Cells:
    """Under `BASELINES`."""
    return (
        name(row),
        row.get("baseline") or MISSING,
        interval(row, "baseline_difference", "baseline", signed=True),
        _counted(row, "baseline"),
        p_value(row.get("baseline_p")),
        p_value(row.get("baseline_p_holm")),
    )


def quality_cells(row: Row) -> Cells:
    """Under `QUALITY`."""
    return (
        name(row),
        number(row.get("dice_reference")),
        number(row.get("folded_share"), 4),
        number(row.get("normal_preservation"), 4),
        number(row.get("planted_lesion_drop")),
        f"{number(row.get('planted_psnr'), 1)} ({number(row.get('planted_psnr_input'), 1)})",
        f"{number(row.get('kid'), 4)} ({number(row.get('kid_floor'), 4)})",
        number(row.get("classifier_drop")),
    )


def cost_cells(row: Row) -> Cells:
    """Under `COSTS`."""
    return (
        name(row),
        f"{row['folds_scored']} of {row['folds']}",
        number(row["steps"], 0),
        number(row["passes"], 1),
        number(row["images"], 0),
        number(row["seconds"], 0),
    )


def brief_cells(row: Row) -> Cells:
    """Under `BRIEF`."""
    return (
        name(row),
        str(row["seeds"]),
        area(row),
        interval(row, "seed_mean"),
        f"{interval(row, 'difference', signed=True)}{fewer(row, 'compared')}",
        p_value(row.get("p_holm")),
        f"{interval(row, 'baseline_difference', 'baseline', signed=True)}{fewer(row, 'baseline')}",
        p_value(row.get("baseline_p_holm")),
        number(row["average_precision"]),
        number(row["sensitivity"]),
        number(row["passes"], 1),
        number(row["seconds"], 0),
    )


def strength(row: Row) -> float:
    """By what arms are ranked: what one training gives on average, so that no ensemble outranks a single model."""
    found = row["auc"] if row.get("seed_mean") is None else row["seed_mean"]
    return float(found)


def fewer(row: Row, side: str) -> str:
    """On whom a comparison is, where not on all patients of the row; empty else.

    Args:
        row: of the table.
        side: `compared` or `baseline`.
    """
    found = row.get(f"{side}_normals"), row.get(f"{side}_abnormals")
    if None in found or found == (row["normals"], row["abnormals"]):
        return ""
    return f" on {found[0]} normal and {found[1]} abnormal"


def _counted(row: Row, side: str) -> str:
    return f"{number(row.get(f'{side}_normals'), 0)} / {number(row.get(f'{side}_abnormals'), 0)}"


def name(row: Row) -> str:
    """The arm, with its seed where the row is of one."""
    return str(row["arm"]) if row["seed"] == ALL else f"{row['arm']}, seed {row['seed']}"


def area(row: Row) -> str:
    """The area with its interval, marked where it does not exceed the strongest shortcut."""
    mark = NOT_ABOVE if row.get("above_shortcut") is False else ""
    return f"{interval(row, 'auc')}{mark}"


def interval(row: Row, value: str, ends: str = "", *, signed: bool = False) -> str:
    """A value with its interval, `-` where it is undefined."""
    found, low, high = (row.get(key) for key in (value, f"{ends or value}_low", f"{ends or value}_high"))
    return bounded(found, low, high, signed=signed)
