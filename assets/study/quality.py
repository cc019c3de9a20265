"""How well an arm's images are registered and translated, beside what it scores."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean
from typing import Any

from assets.study.entries import Entry
from assets.study.member import Member
from assets.tables.translation import TRANSLATOR_QUALITY

REGISTRATION = ("dice_reference", "folded_share")
# Of validation images, see assets/translation/quality.py.
TRANSLATION = tuple(name for name in TRANSLATOR_QUALITY if name != "validation_auc")


def quality_columns(entry: Entry, members: Sequence[Member]) -> dict[str, float | None]:
    """Columns of an entry's row: means over its folds, those of translation over its seeds, too.

    Args:
        entry: a line of the table.
        members: fold cohorts of its protocol.
    """
    there = [member for member in members if any((entry.arm, seed) in member.arms for seed in entry.singles)]
    registered = [member.registration.get(entry.alignment, {}) for member in there]
    translated = [member.translation.get((entry.arm, seed), {}) for member in there for seed in entry.singles]
    return {**_means(REGISTRATION, registered), **_means(TRANSLATION, translated)}


def _means(names: Iterable[str], found: Sequence[Mapping[str, Any]]) -> dict[str, float | None]:
    known = {name: [row[name] for row in found if row.get(name) is not None] for name in names}
    return {name: fmean(values) if values else None for name, values in known.items()}
