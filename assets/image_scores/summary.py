"""How many images of a shard each arm calls abnormal."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def above_by_arm(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A row an arm and seed, in the order of the first: images with a score, and those above the threshold by class.

    Counts above are null for an arm without a threshold.
    """
    arms: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        # Of an image that was set aside before, nothing is told of arms.
        if row["status"] == "ok" and row["score"] is not None:
            arms.setdefault((row["arm"], row["seed"]), []).append(row)
    return [_counted(members) for members in arms.values()]


def _counted(rows: Sequence[Row]) -> dict[str, Any]:
    first = rows[0]
    above = None if first["threshold"] is None else [row["domain"] for row in rows if row["above"]]
    return {
        **{name: first[name] for name in ("arm", "seed", "best", "threshold")},
        "score": first["score_name"],
        "images": len(rows),
        "above": None if above is None else len(above),
        "normals_above": None if above is None else above.count("normal"),
        "abnormals_above": None if above is None else above.count("abnormal"),
    }
