"""Lines that say how far a training is, at most one every few seconds."""

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
