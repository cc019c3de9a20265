"""Radiographs on which an arm points least at what was drawn."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.localisation_summary.summary import GUESS

ROWS = 6


def worst_misses(counted: pa.Table, count: int = ROWS) -> dict[str, list[dict[str, Any]]]:
    """Rows of each arm's first seed with the least of the map in the boxes, measured by what the boxes' area would get.

    Args:
        counted: see `counted_rows`.
        count: rows an arm at most, the worst first; equals are in the order of their ids.
    """
    drawn = counted.filter(pc.not_equal(counted["truth"], "normal"))
    found: dict[str, list[dict[str, Any]]] = {}
    for arm in sorted(set(drawn["arm"].to_pylist())):
        if arm.startswith(GUESS):
            continue
        own = drawn.filter(pc.equal(drawn["arm"], arm))
        first = own.filter(pc.equal(own["seed"], pc.min(own["seed"])))
        share = pc.divide(first["energy"], pc.max_element_wise(first["area_share"], 1e-6))
        ranked = first.append_column("gain", share).sort_by([("gain", "ascending"), ("radiograph_id", "ascending")])
        found[arm] = ranked.drop_columns(["gain"]).slice(0, count).to_pylist()
    return found
