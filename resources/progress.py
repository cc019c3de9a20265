"""Lines that say how far a training is, at most one every few seconds, and none of them worth the training."""

import sys
import time
from collections.abc import Callable

PROGRESS_SECONDS = 5.0


def training_progress(say: Callable[[str], None], name: str) -> Callable[[int, int, dict[str, float]], None]:
    """A callback for training loops: takes the step, the number of steps and the losses."""
    started = time.monotonic()
    first: int | None = None
    last = started

    def speak(step: int, steps: int, losses: dict[str, float]) -> None:
        nonlocal first, last
        # A resumed training begins at a later step; its pace counts from there.
        first = step if first is None else first
        if time.monotonic() - last < PROGRESS_SECONDS:
            return
        last = time.monotonic()
        left = (last - started) / max(step - first, 1) * (steps - step)
        shown = ", ".join(f"{key} {value:.3g}" for key, value in losses.items() if key != "step")
        say(f"{name}: step {step} of {steps}, {left:.0f} s left at this pace; {shown}")

    return speak


def steadfast(say: Callable[[str], None]) -> Callable[[str], None]:
    """`say` for long work, which a log that cannot be written must not end.

    Dagster's logger writes each line to the event database and raises where that is locked or its disk is full. Such a
    line goes to standard error instead, with the kind of the error; the run itself meets the database again at its end.
    """

    def told(line: str) -> None:
        try:
            say(line)
        except Exception as error:
            print(f"{line} (not in the log: {type(error).__name__})", file=sys.stderr)

    return told
