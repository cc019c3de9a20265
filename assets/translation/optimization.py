"""Optimizer, freezing and learning rate as CycleGAN and CUT share them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from assets.translation.presets import TranslationPlan


def adam(networks: Sequence[nn.Module], plan: TranslationPlan) -> torch.optim.Adam:
    """Adam over the parameters of these networks, in their order."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, lr=plan.learning_rate, betas=(plan.beta1, plan.beta2))


def backpropagate(loss: Tensor) -> None:
    """Accumulate gradients of a scalar loss."""
    torch.autograd.backward(loss)


@contextmanager
def frozen(networks: Sequence[nn.Module]) -> Iterator[None]:
    """Networks whose weights get no gradient inside the block; gradients still pass through to their input."""
    for network in networks:
        network.requires_grad_(False)
    try:
        yield
    finally:
        for network in networks:
            network.requires_grad_(True)


def rate_factor(step: int, steps: int, decay_share: float) -> float:
    """Factor of the learning rate at a step: 1, then falling linearly, never quite to 0.

    With n constant and d falling steps it is 1 - max(0, step + 1 - n) / (d + 1): CycleGAN's schedule
    (arXiv:1703.10593, section 4) counted in steps instead of epochs.

    Args:
        step: 0 .. steps - 1.
        steps: steps in all, n + d.
        decay_share: d / steps, d rounded to whole steps.
    """
    falling = round(decay_share * steps)
    return 1 - max(0, step + 1 - (steps - falling)) / (falling + 1)
