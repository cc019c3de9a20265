"""Rows of manifests as what the report shows."""

from collections.abc import Iterable, Mapping
from typing import Any

from assets.evaluation.report_model import ShortcutResult, ThresholdResult
from assets.evaluation.roc import Auc, Interval

Row = Mapping[str, Any]
STABILITY = ("plateau_width", "mean_balanced_accuracy", "youden_loss")


def shortcut_results(rows: Iterable[Row]) -> tuple[ShortcutResult, ...]:
    """Rows of the shortcut audit, strongest first and undefined ones last."""
    found = [ShortcutResult(row["name"], row["kind"], _area(row), row["strength"], row["reason"] or "") for row in rows]
    return tuple(sorted(found, key=lambda item: -1.0 if item.strength is None else item.strength, reverse=True))


def threshold_results(rows: Iterable[Row]) -> tuple[ThresholdResult, ...]:
    """Rows of the evaluation table: the headline of every arm on test patients."""
    return tuple(
        ThresholdResult(
            f"{row['arm']}, seed {row['seed']}",
            row["score"],
            row["threshold"],
            row["sensitivity_at_threshold"],
            row["specificity_at_threshold"],
            row["balanced_accuracy"],
            row["plateau_width"],
            row["mean_balanced_accuracy"],
            row["youden_loss"],
            {name: (row.get(f"{name}_low"), row.get(f"{name}_high")) for name in STABILITY},
        )
        for row in rows
        if row["headline"] and row["split"] == "test"
    )


def _area(row: Row) -> Auc | None:
    if row["auc"] is None:
        return None
    bounded = row["low"] is not None and row["high"] is not None
    separated = row["auc"] in (0.0, 1.0)
    interval = Interval(row["low"], row["high"], "one_sided" if separated else "logit") if bounded else None
    return Auc(row["auc"], row["se"], interval, row["positives"], row["negatives"])
