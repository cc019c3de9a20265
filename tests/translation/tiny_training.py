"""Trainings of a fraction of a second, for tests of what happens around the steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from assets.translation.arms import Gan
from assets.translation.checkpoints import Record
from assets.translation.compute import Compute
from assets.translation.settings import TranslationSettings
from assets.translation.training import Trained, train
from assets.translation.training_data import TrainingData, in_memory
from assets.translation.watch import VALIDATION_AUC, Pace, Translate

CPU = Compute(torch.device("cpu"))
SIZE = 32
SMALL = {
    "size": SIZE,
    "steps": 6,
    "batch": 2,
    "generator_width": 4,
    "generator_blocks": 2,
    "discriminator_width": 4,
    "discriminator_layers": 1,
    "nce_patches": 16,
    "nce_width": 8,
    "registration_width": 2,
    "pool_size": 3,
    "checkpoint_minutes": 0,
    "check_every": 2,
}
PAIRS = torch.tensor([[0, 0], [1, 1], [4, 3], [2, 1]])
State = dict[str, Tensor]


def small(**numbers: object) -> TranslationSettings:
    """Settings of a training of six steps, with a checkpoint after each."""
    return TranslationSettings.model_validate({**SMALL, **numbers})


def images(count: int, seed: int, size: int = SIZE) -> Tensor:
    """Noise, (count, 1, size, size) in [-1, 1]."""
    return torch.rand((count, 1, size, size), generator=torch.Generator().manual_seed(seed)) * 2 - 1


def data(abnormal: int = 5, normal: int = 4) -> TrainingData:
    """Noise of both domains, and some pairs."""
    limits = torch.tensor([abnormal, normal])
    return TrainingData(in_memory(images(abnormal, 1)), in_memory(images(normal, 2)), PAIRS % limits)


def trained(
    method: Gan,
    settings: TranslationSettings | None = None,
    given: TrainingData | None = None,
    **options: Any,  # noqa: ANN401 (as of `train`)
) -> Trained:
    """Train on noise; options as of `train`."""
    options = {"seed": 0, "compute": CPU, **options}
    return train(method, given or data(), settings or small(), options.pop("seed"), **options)


@dataclass
class Seen:
    """A watch that measures what the translator does to fixed images, and remembers all that it was told.

    Attributes:
        auc: the validation AUC after so many steps.
    """

    auc: Callable[[int], float] = lambda step: 0.5 + step / 1000
    paces: list[Pace] = field(default_factory=list)
    checked: list[int] = field(default_factory=list)
    before: list[tuple[list[Record], list[Record]]] = field(default_factory=list)

    def resumed(self, history: Sequence[Mapping[str, float]], checks: Sequence[Mapping[str, float]]) -> None:
        self.before.append(([dict(record) for record in history], [dict(record) for record in checks]))

    def progress(self, pace: Pace) -> None:
        self.paces.append(pace)

    def check(self, step: int, translate: Translate) -> dict[str, float]:
        self.checked.append(step)
        shown = images(2, 3)
        return {VALIDATION_AUC: self.auc(step), "mean": float(translate(shown, torch.ones_like(shown)).mean())}


class Ticking:
    """A clock that goes on by a fixed time whenever it is asked."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now = seconds, 0.0

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> bool:
    """Whether two dictionaries hold the same bits, apart from what time was spent."""
    one, other = ({name: value for name, value in each.items() if "spent/" not in name} for each in (first, second))
    return one.keys() == other.keys() and all(
        torch.equal(one[name].nan_to_num(7), other[name].nan_to_num(7)) for name in one
    )
