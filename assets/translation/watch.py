"""What a training tells whoever watches it, and what it asks them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

Translate = Callable[[Tensor, Tensor], Tensor]
"""Images (N, 1, S, S) in [-1, 1] and their soft masks in [0, 1], to translations of that shape on the CPU."""

VALIDATION_AUC = "validation_auc"
"""The measure that early stopping follows; higher is better."""


@dataclass(frozen=True)
class Pace:
    """How far a training is and how fast.

    Attributes:
        step: steps done.
        steps: steps in all.
        losses: mean losses since the last report, and `learning_rate`.
        images_per_second: images of both domains since the last report; None before anything was timed.
        seconds_left: at this pace, and at most what the time budget leaves; None likewise.
    """

    step: int
    steps: int
    losses: dict[str, float]
    images_per_second: float | None
    seconds_left: float | None


class Watch(Protocol):
    """Sees a training while it runs."""

    def resumed(self, history: Sequence[Mapping[str, float]], checks: Sequence[Mapping[str, float]]) -> None:
        """Called before anything else, where a training goes on from a state: what it told and measured until then.

        Args:
            history: a record with `step` and the losses a call of `progress`.
            checks: a record with `step` and what was measured a call of `check`.
        """

    def progress(self, pace: Pace) -> None:
        """Called about a hundred times a training."""

    def check(self, step: int, translate: Translate) -> dict[str, float]:
        """Measure the translator on validation images, after `step` steps; called every `check_every` steps.

        It must depend on its arguments alone, so that a resumed training measures the same.
        """
