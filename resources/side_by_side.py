"""Work in threads that ends with whoever wants it: an interrupt reaches the main thread alone."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


class NoLongerWanted(BaseException):
    """Whoever wanted the work has ended. It is no error of the work, so nothing sets a row aside for it."""


@dataclass(frozen=True)
class SideBySide:
    """Threads of one run.

    Work that takes long calls `require_wanted` at every step. Without that, a run that is interrupted would wait for
    its trainings to the end of their last step.
    """

    _ended: Event = field(default_factory=Event)

    def require_wanted(self) -> None:
        """Go on, or not.

        Raises:
            NoLongerWanted: the run has ended.
        """
        if self._ended.is_set():
            raise NoLongerWanted

    @contextmanager
    def mapped(self, work: Callable[[T], R], items: Iterable[T], at_once: int) -> Iterator[Iterator[R]]:
        """Results in the items' order, of which `at_once` are worked on side by side; of one in the caller's thread.

        Where the caller raises, an item's error in its turn among others, nothing else is begun and what goes on is no
        longer wanted.
        """
        if at_once == 1:
            yield map(work, items)
            return
        with ThreadPoolExecutor(at_once) as pool:
            try:
                yield pool.map(work, items)
            except BaseException:
                self._ended.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
