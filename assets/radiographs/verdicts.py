"""What becomes of a shard's rows once all are decoded: rows that contradict each other are set aside."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from assets.radiographs.consistency import Claim, conflicting_patients, duplicate_reasons

Row = dict[str, Any]
# What makes a published row another one than before, although its pixels are the same.
JUDGED_BY = ("key", "patient", "label", "split")


def usable(rows: Sequence[Row]) -> list[Row]:
    """Rows that may go on."""
    return [row for row in rows if row["status"] == "ok"]


def set_aside(rows: Sequence[Row], reasons: Mapping[int, str]) -> None:
    """Reject the rows whose number has a reason."""
    for row in rows:
        if row["row"] in reasons:
            row["status"], row["reason"] = "rejected", reasons[row["row"]]


def set_aside_conflicts(rows: Sequence[Row]) -> None:
    """Reject usable rows that contradict each other: one patient of two sexes or ages, one image under two names.

    Sex and age may be known from the files' headers only, so that they can be compared no sooner than here.
    """
    claims = (Claim(row["row"], row["patient"], row.get("sex"), row.get("age")) for row in usable(rows))
    set_aside(rows, conflicting_patients(claims))
    seen = ((row["row"], row["radiograph_id"], row["patient"], row["label"]) for row in usable(rows))
    set_aside(rows, duplicate_reasons(seen))


def not_yet_published(rows: Sequence[Row], published: Collection[tuple[Any, ...]]) -> list[Row]:
    """Usable rows that the shard's previous manifest did not have as such.

    Args:
        rows: of this run.
        published: JUDGED_BY of the usable rows of that manifest.
    """
    return [row for row in usable(rows) if tuple(row[name] for name in JUDGED_BY) not in published]


def name_rows(rows: Sequence[Row]) -> None:
    """Begin each reason with its row's number of today: added files renumber a listing, stored reasons do not know."""
    for row in rows:
        if row["status"] != "ok":
            row["reason"] = f"row {row['row']}: {re.sub(r'^row [0-9]+: ', '', row['reason'])}"


def masks_left_out(rows: Sequence[Row], shown: int) -> list[dict[str, Any]]:
    """Why published masks of usable rows were left out, most frequent first."""
    reasons = Counter(row["mask_problem"] for row in usable(rows) if row.get("mask_problem"))
    return [{"reason": reason, "rows": count} for reason, count in reasons.most_common(shown)]
