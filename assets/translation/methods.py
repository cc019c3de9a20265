"""What a training needs of a method, and the methods by name."""

from typing import Protocol

import torch
from torch import Tensor, nn

from assets.translation.arms import Gan
from assets.translation.cut import Cut
from assets.translation.cyclegan import CycleGan
from assets.translation.generators import ResnetGenerator
from assets.translation.image_pool import ImagePool
from assets.translation.presets import TranslationPlan
from assets.translation.sampling import Batch


class Translator(Protocol):
    """Named parts that a checkpoint holds, and a step."""

    to_normal: ResnetGenerator
    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Adam]
    pools: dict[str, ImagePool]

    def step(self, abnormal: Batch, normal: Batch, randomness: torch.Generator, *, autocast: bool) -> dict[str, Tensor]:
        """Update every network once and return the scalar losses."""


def untrained(method: Gan, plan: TranslationPlan, weights: torch.Generator, device: torch.device) -> Translator:
    """A method's networks before training.

    Args:
        method: which; of FastCUT, CUT's class with the numbers that its plan holds.
        plan: the method's plan.
        weights: source of the initial weights, on the CPU.
        device: where to train.
    """
    match method:
        case "cyclegan":
            return CycleGan(plan, weights, device)
        case "cut" | "fastcut":
            return Cut(plan, weights, device)
        case "reggan" | "reggan_nc" | "pix2pix":
            raise NotImplementedError(method)
