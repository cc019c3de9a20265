"""Optimizer, freezing and learning rate as CycleGAN and CUT share them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from assets.translation.presets import TranslationPlan

_FUSED = ("cpu", "cuda")


def adam(networks: Sequence[nn.Module], plan: TranslationPlan) -> torch.optim.Adam:
    """Adam over the parameters of these networks, in their order; in one pass over memory where torch has that."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    fused = all(parameter.device.type in _FUSED for parameter in parameters)
    optimizer = torch.optim.Adam(parameters, lr=plan.learning_rate, betas=(plan.beta1, plan.beta2), fused=fused)
    optimizer.register_load_state_dict_post_hook(_laid_out)
    return optimizer


def _laid_out(optimizer: torch.optim.Optimizer) -> None:
    """Moments in the order in memory of their weights: torch's fused step takes that for granted."""
    for parameter, moments in optimizer.state.items():
        for name in ("exp_avg", "exp_avg_sq"):
            moments[name] = torch.empty_like(parameter).copy_(moments[name])


def update(optimizer: torch.optim.Optimizer, clip: float) -> Tensor:
    """One step of an optimizer, unless its gradient is not finite: then every weight and moment stays as it is.

    Args:
        optimizer: its parameters hold the gradients; those without one count as zero.
        clip: largest norm; a longer gradient is scaled to it. 0 for no limit.

    Returns:
        Euclidean norm of the whole gradient before it is clipped, detached.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    norm = nn.utils.get_total_norm(
        [parameter.grad for parameter in parameters if parameter.grad is not None], foreach=True
    )
    if norm.isfinite():
        if clip > 0:
            nn.utils.clip_grads_with_norm_(parameters, clip, norm, foreach=True)
        optimizer.step()
    return norm


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
