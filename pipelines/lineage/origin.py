"""What is followed forwards."""

from dataclasses import dataclass, replace

from pipelines.lineage.item import Item
from pipelines.lineage.reading import cohort_of


@dataclass(frozen=True)
class Origin:
    """What is followed: radiographs by shard, or one pair of them.

    Attributes:
        radiographs: shard -> ids.
        pair: id of the pair, where not all that its radiographs reached is asked for.
    """

    radiographs: dict[str, frozenset[str]]
    pair: str = ""

    @property
    def cohorts(self) -> list[str]:
        """Cohorts of the shards."""
        return sorted({cohort_of(shard) for shard in self.radiographs})

    def ids(self, cohort: str) -> list[str]:
        """Radiographs of a cohort."""
        return sorted({name for shard, some in self.radiographs.items() if cohort_of(shard) == cohort for name in some})


def because(item: Item, why: str) -> Item:
    """An item with how it was reached, before what it says itself."""
    return replace(item, why=f"{why}; {item.why}" if item.why else why)
