"""Whether an arm points at findings better than what sees no disease."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assets.tables.localisation import CHANCES

Row = Mapping[str, Any]

JUDGED = ("pointing", "cl_10")


@dataclass(frozen=True)
class Verdict:
    """What a check says.

    Attributes:
        passed: whether some arm exceeds every guess in every judged measure, by an interval above 0.
        figures: of the arm that does, or else of the one with the best pointing game.
    """

    passed: bool
    figures: dict[str, Any] = field(default_factory=dict)


def above_guesses(rows: Sequence[Row]) -> Verdict:
    """Verdict on the rows of a summary; passed where there is nothing to be judged."""
    arms: dict[tuple[str, int], dict[str, Row]] = {}
    for row in rows:
        if row["measure"] in JUDGED and not row["arm"].startswith("chance/"):
            arms.setdefault((row["arm"], row["seed"]), {})[row["measure"]] = row
    judged = {name: measures for name, measures in arms.items() if measures.keys() == set(JUDGED)}
    if not judged:
        return Verdict(True, {"arm": "none: no finding is drawn"})
    best_first = sorted(
        judged.items(), key=lambda item: (_exceeds(item[1]), item[1]["pointing"]["value"]), reverse=True
    )
    (arm, seed), measures = best_first[0]
    figures = {name: round(row["value"], 4) for name, row in measures.items()}
    beside = {
        f"{name}_{guess}": round(row[guess], 4)
        for name, row in measures.items()
        for guess in CHANCES
        if row.get(guess) is not None
    }
    return Verdict(_exceeds(measures), {"arm": f"{arm}, seed {seed}", **figures, **beside})


def _exceeds(measures: Mapping[str, Row]) -> bool:
    return all(
        row.get(guess) is None or (row[f"{guess}_difference_low"] or 0.0) > 0
        for row in measures.values()
        for guess in CHANCES
    )
