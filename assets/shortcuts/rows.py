"""Rows of the audit's table, and the one that matters most."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

from assets.shortcuts.audit import Found


def table_rows(found: Sequence[Found]) -> list[dict[str, Any]]:
    """One row a shortcut, undefined ones as null with the reason."""
    return [_table_row(item) for item in found]


def strongest(rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The row of the largest strength, the first of equals; None where no shortcut is defined.

    Of many shortcuts without any information the strongest is above 1/2 by chance.
    """
    defined = [row for row in rows if row["strength"] is not None]
    return max(defined, key=lambda row: float(row["strength"]), default=None)


def _table_row(item: Found) -> dict[str, Any]:
    interval = item.auc.interval if item.auc else None
    row: dict[str, Any] = {
        "name": item.name,
        "kind": item.kind,
        "auc": item.auc.area if item.auc else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "se": item.auc.standard_error if item.auc else None,
        "strength": item.strength,
        "positives": item.positives,
        "negatives": item.negatives,
        "fitted_on": item.fitted_on,
        "crossfitted": item.crossfitted,
    }
    key = sha256(repr(row).encode()).hexdigest()[:32]
    status = {"status": "ok" if item.auc else "rejected", "reason": item.reason}
    return {**row, **status, "key": key, "artifact": "", "artifact_digest": ""}
