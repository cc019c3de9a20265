"""Rows of a study's table as texts, for Markdown and HTML."""

from collections.abc import Mapping
from typing import Any

from assets.evaluation.html import MISSING, number, p_value
from assets.study.entries import ALL

Row = Mapping[str, Any]
Cells = tuple[str, ...]
NOT_ABOVE = " ≤ shortcut"

AREAS = (
    "arm",
    "score",
    "normal",
    "abnormal",
    "AUC",
    "seeds' sd",
    "AP",
    "sensitivity",
    "sensitivity / specificity at the threshold",
)
CONTRASTS = ("arm", "against", "baseline", "difference", "p", "p (Holm)", "detectable", "over baseline", "p")
COSTS = ("arm", "folds", "steps", "passes over the data", "training images", "seconds in all")
LOCALISATION = (
    "boxes",
    "pointing",
    "over centre",
    "over random",
    "CL@0.1",
    "over centre",
    "over random",
    "CL@0.3",
    "energy",
    "AUPRO",
)
BRIEF = ("arm", "AUC", "difference", "p (Holm)", "over baseline", "p", "AP", "sensitivity", "passes", "seconds")


def area_cells(row: Row) -> Cells:
    """Under `AREAS`."""
    return (
        name(row),
        ", ".join(score.removeprefix("score_") for score in row["scores"]),
        str(row["normals"]),
        str(row["abnormals"]),
        area(row),
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
        row.get("baseline") or MISSING,
        interval(row, "difference", signed=True),
        p_value(row.get("p")),
        p_value(row.get("p_holm")),
        number(row.get("detectable")),
        interval(row, "baseline_difference", "baseline", signed=True),
        p_value(row.get("baseline_p")),
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
        area(row),
        interval(row, "difference", signed=True),
        p_value(row.get("p_holm")),
        interval(row, "baseline_difference", "baseline", signed=True),
        p_value(row.get("baseline_p")),
        number(row["average_precision"]),
        number(row["sensitivity"]),
        number(row["passes"], 1),
        number(row["seconds"], 0),
    )


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
    sign = "+" if signed else ""
    if found is None:
        return MISSING
    if low is None or high is None:
        return f"{found:{sign}.3f}"
    return f"{found:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def localisation_cells(measured: Mapping[str, Row]) -> Cells:
    """Under `LOCALISATION`.

    Args:
        measured: rows of one arm and seed by measure.
    """
    boxes = next((str(row["boxes"]) for row in measured.values()), MISSING)
    pointed = [
        text
        for measure in ("pointing", "cl_10")
        for text in (
            _measure(measured, measure),
            _over(measured, measure, "centre"),
            _over(measured, measure, "random"),
        )
    ]
    rest = (number(measured[name]["value"]) if name in measured else MISSING for name in ("cl_30", "energy", "aupro"))
    return (boxes, *pointed, *rest)


def _measure(measured: Mapping[str, Row], name: str) -> str:
    row = measured.get(name)
    return interval({**row, "value_low": row["low"], "value_high": row["high"]}, "value") if row else MISSING


def _over(measured: Mapping[str, Row], name: str, guess: str) -> str:
    return interval(measured.get(name, {}), f"{guess}_difference", signed=True)
