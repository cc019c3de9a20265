"""Which radiographs and which masks take part: the same radiographs under every mask that is compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.leaks.brought import Brought
from assets.leaks.settings import USED, LeakSettings, Variant

Row = Mapping[str, Any]
ByVariant = Mapping[Variant, Brought]


@dataclass(frozen=True)
class Sides:
    """Radiographs by variant, the same ones in every variant and in one order.

    Attributes:
        normals: training normals.
        asked: test radiographs.
        tested: manifest rows of the latter.
        missing: radiographs that a variant lacks.
        left_out: why a variant is not compared.
    """

    normals: Mapping[Variant, list[Brought]]
    asked: Mapping[Variant, list[Brought]]
    tested: list[Row]
    missing: dict[Variant, int]
    left_out: dict[Variant, str]


def sides(brought: Sequence[ByVariant], rows: Sequence[Row], normals: int, settings: LeakSettings) -> Sides:
    """Radiographs that every compared variant has.

    A variant that nobody has is no finding and is not spoken of. One that too few have, of training normals or of
    either class in test, is left out: else it would decide who is compared.

    Args:
        brought: each radiograph by the variants that it has.
        rows: their manifest rows (domain).
        normals: so many of them, the first ones, are training normals.
        settings: variants and the share that must have one.
    """
    missing = {variant: sum(variant not in one for one in brought) for variant in settings.variants}
    there = [variant for variant in settings.variants if variant == USED or missing[variant] < len(rows)]
    rare = {variant: _rare(variant, brought, rows, normals, settings.smallest_share) for variant in there}
    left_out = {variant: why for variant, why in rare.items() if why and variant != USED}
    compared = [variant for variant in there if variant not in left_out]
    whole = [all(variant in one for variant in compared) for one in brought]
    training, asked = (
        [position for position in part if whole[position]] for part in (range(normals), range(normals, len(rows)))
    )
    return Sides(
        {variant: [brought[position][variant] for position in training] for variant in compared},
        {variant: [brought[position][variant] for position in asked] for variant in compared},
        [rows[position] for position in asked],
        missing,
        left_out,
    )


def _rare(variant: Variant, brought: Sequence[ByVariant], rows: Sequence[Row], normals: int, smallest: float) -> str:
    tested = range(normals, len(rows))
    groups = {
        "normal training radiographs": list(range(normals)),
        "normal test radiographs": [position for position in tested if rows[position]["domain"] == "normal"],
        "abnormal test radiographs": [position for position in tested if rows[position]["domain"] == "abnormal"],
    }
    for name, members in groups.items():
        having = sum(variant in brought[position] for position in members)
        if having < smallest * len(members):
            return f"only {having} of {len(members)} {name} have such a mask, so it is not compared"
    return ""
