"""How much of an area comes from the masks and the warp: the leak controls of a protocol's folds together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import ndtr, ndtri

from assets.evaluation.comparison import Comparison
from assets.evaluation.roc import Auc, logit_interval
from assets.study.member import Member

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Leak:
    """A scorer on one kind of mask.

    Attributes:
        variant: kind of mask.
        scorer: what scored the images that were aligned by it.
        auc: mean of the folds' areas, weighted by their numbers of pairs.
        difference: to the masks in use, on the same patients; None for these themselves.
        folds: how many have it.
    """

    variant: str
    scorer: str
    auc: Auc
    difference: Comparison | None
    folds: int


def pooled_leaks(members: Sequence[Member], confidence: float) -> list[Leak]:
    """Leak controls over the folds of a protocol, in the order of the first fold's rows; undefined ones left out.

    Args:
        members: fold cohorts; one without leak control adds nothing.
        confidence: level of the intervals, here and in the folds.
    """
    by_name: dict[tuple[str, str], list[Row]] = {}
    for row in (row for member in members for row in member.leaks):
        if row["auc"] is not None:
            by_name.setdefault((row["variant"], row["scorer"]), []).append(row)
    return [
        Leak(*name, _area(rows, confidence), _difference(rows, confidence), len(rows)) for name, rows in by_name.items()
    ]


def _weights(rows: Sequence[Row]) -> list[float]:
    pairs = [float(row["positives"] * row["negatives"]) for row in rows]
    return [pair / sum(pairs) for pair in pairs]


def _area(rows: Sequence[Row], confidence: float) -> Auc:
    weights = _weights(rows)
    area = sum(weight * row["auc"] for weight, row in zip(weights, rows, strict=True))
    error = _error(weights, [row["se"] for row in rows])
    interval = logit_interval(area, error, confidence) if error and 0 < area < 1 else None
    positives, negatives = (sum(row[side] for row in rows) for side in ("positives", "negatives"))
    return Auc(area, error, interval, positives, negatives)


def _difference(rows: Sequence[Row], confidence: float) -> Comparison | None:
    if any(row["difference"] is None for row in rows):
        return None
    quantile, weights = float(ndtri((1 + confidence) / 2)), _weights(rows)
    # An end that was cut off at 1 or -1 leaves the other.
    halves = [
        max(row["difference_high"] - row["difference"], row["difference"] - row["difference_low"]) for row in rows
    ]
    error = _error(weights, [half / quantile for half in halves]) or 0.0
    found = sum(weight * row["difference"] for weight, row in zip(weights, rows, strict=True))
    half = quantile * error
    p_value = float(2 * ndtr(-abs(found) / error)) if error > 0 else None
    return Comparison(found, max(-1.0, found - half), min(1.0, found + half), p_value)


def _error(weights: Sequence[float], errors: Sequence[float | None]) -> float | None:
    """Standard error of a weighted mean of independent folds; None where one fold's is not known."""
    if any(error is None for error in errors):
        return None
    return float(sum((weight * (error or 0.0)) ** 2 for weight, error in zip(weights, errors, strict=True)) ** 0.5)
