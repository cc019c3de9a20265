"""What a training needs of a method, and the methods by name."""

from typing import Protocol

import torch
from torch import Tensor, nn

from assets.translation.arms import Gan
from assets.translation.cut import Cut
from assets.translation.cyclegan import CycleGan
from assets.translation.image_pool import ImagePool
from assets.translation.pix2pix import Pix2Pix
from assets.translation.presets import TranslationPlan
from assets.translation.reggan import RegGan
from assets.translation.reggan_cyclic import CyclicRegGan
from assets.translation.sampling import Batch


class Translator(Protocol):
    """Named parts that a checkpoint holds, and a step."""

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Adam]
    pools: dict[str, ImagePool]

    @property
    def to_normal(self) -> nn.Module:
        """The generator from abnormal to normal; all that translation needs."""

    def step(self, abnormal: Batch, normal: Batch, randomness: torch.Generator, *, autocast: bool) -> dict[str, Tensor]:
        """Update every network once.

        Args:
            abnormal: batch of domain A.
            normal: batch of domain B; for methods of `ON_PAIRS` row i is the partner of abnormal row i.
            randomness: source of all that is random, on the CPU.
            autocast: compute in bfloat16.

        Returns:
            Scalar losses, detached, and each optimizer's norm of the gradient as `gradient_<optimizer>`.
        """


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
        case "reggan":
            return CyclicRegGan(plan, weights, device)
        case "reggan_nc":
            return RegGan(plan, weights, device)
        case "pix2pix":
            return Pix2Pix(plan, weights, device)
