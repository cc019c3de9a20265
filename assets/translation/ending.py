"""When a training ends: after its steps, when validation no longer gets better, or when its time is up."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from assets.translation.watch import VALIDATION_AUC

Stopped = Literal["steps", "early stop", "time budget"]


def best_of(checks: Sequence[Mapping[str, float]]) -> int | None:
    """Position of the first measurement with the highest validation AUC; None where none has a finite one."""
    found = [(check.get(VALIDATION_AUC, math.nan), -index) for index, check in enumerate(checks)]
    finite = [each for each in found if math.isfinite(each[0])]
    return -max(finite)[1] if finite else None


def early_stop(checks: Sequence[Mapping[str, float]], patience: int) -> bool:
    """Whether the last `patience` measurements brought no better validation AUC; never for a patience of 0."""
    best = best_of(checks)
    since = len(checks) - (0 if best is None else best + 1)
    return 0 < patience <= since


def ending(
    step: int,
    steps: int,
    checks: Sequence[Mapping[str, float]],
    patience: int,
    seconds: float,
    minutes: float | None,
) -> Stopped | None:
    """Why a training ends here; None where it goes on.

    Args:
        step: steps done.
        steps: steps in all.
        checks: measurements so far.
        patience: see `early_stop`.
        seconds: spent so far, over all resumptions.
        minutes: the time budget; None for none.
    """
    if step >= steps:
        return "steps"
    if early_stop(checks, patience):
        return "early stop"
    return "time budget" if minutes is not None and seconds >= 60 * minutes else None
