"""Rows of a stage computed several at a time, though they are asked for one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from torch import OutOfMemoryError

from resources.arrays import CorruptArtifact

T = TypeVar("T")

# The machine's fault: no row's own failure, and no use in trying the others one by one.
_MACHINE = (OSError, CorruptArtifact, MemoryError, OutOfMemoryError)


@dataclass
class Batches(Generic[T]):
    """Results of items, computed together with those that are asked for next.

    Attributes:
        items: what will be asked for, in this order; another item is computed alone.
        size: items at a time.
        compute: gives the results of some items in their order. Where it raises, each of them is computed alone, so
            that an item's error is its own.
    """

    items: Sequence[int]
    size: int
    compute: Callable[[Sequence[int]], Sequence[T]]
    _place: dict[int, int] = field(init=False)
    _found: dict[int, T | Exception] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._place = {item: place for place, item in enumerate(self.items)}

    def take(self, item: int) -> T:
        """The result of an item, which is kept no longer.

        Raises:
            Exception: what computing the item alone raises.
        """
        if item not in self._found:
            self._found |= self._computed(self._batch(item))
        found = self._found.pop(item)
        if isinstance(found, Exception):
            raise found
        return found

    def _batch(self, item: int) -> Sequence[int]:
        place = self._place.get(item)
        return [item] if place is None else self.items[place : place + self.size]

    def _computed(self, batch: Sequence[int]) -> dict[int, T | Exception]:
        try:
            return dict(zip(batch, self.compute(batch), strict=True))
        except _MACHINE:
            raise
        except Exception as error:
            if len(batch) == 1:
                return {batch[0]: error}
        return {item: result for one in batch for item, result in self._computed([one]).items()}
