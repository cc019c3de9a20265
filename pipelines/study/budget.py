"""The time that one call of a study may take."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta


@dataclass
class Budget:
    """Time that may be spent from now on.

    Attributes:
        hours: how much; none for no limit.
        clock: seconds since any time.
        reserve: seconds that are kept back for scoring what was trained.
    """

    hours: float | None
    clock: Callable[[], float] = time.monotonic
    reserve: float = 0.0
    _begun: float = field(init=False)

    def __post_init__(self) -> None:
        self._begun = self.clock()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self.clock() - self._begun

    @property
    def left(self) -> float | None:
        """Seconds that are left, not below 0; none for no limit."""
        return None if self.hours is None else max(0.0, 3600 * self.hours - self.spent)

    @property
    def for_training(self) -> float | None:
        """Seconds that a training may take now."""
        return None if self.left is None else max(0.0, self.left - self.reserve)

    def __str__(self) -> str:
        left = "no limit" if self.left is None else f"{spoken(self.left)} left"
        return f"{spoken(self.spent)} spent, {left}"


def spoken(seconds: float) -> str:
    """A span of time, e.g. `1:02:03`."""
    return str(timedelta(seconds=round(seconds)))
