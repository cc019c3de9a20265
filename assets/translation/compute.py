"""How a training computes: where, and in which arithmetic."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Compute:
    """Device and arithmetic of a training; none of it is meant to decide what is learned.

    Attributes:
        device: where to train.
        autocast: compute in bfloat16 where torch deems it safe.
        channels_last: keep images and weights in the order N, H, W, C.
        compiled: let torch.compile fuse the generators' translation; the first step takes minutes. Of CUT, whose step
            asks its generator for features as well, only mirrored steps gain.
    """

    device: torch.device
    autocast: bool = False
    channels_last: bool = False
    compiled: bool = False


def prepare_networks(networks: Iterable[nn.Module], generators: Iterable[nn.Module], compute: Compute) -> None:
    """Give networks the layout and the fused code that `compute` asks for, in place; their weights keep their names.

    Args:
        networks: all of a training.
        generators: those among them whose forward pass is to be compiled.
        compute: what is asked for.
    """
    for network in networks:
        if compute.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for generator in generators:
        if compute.compiled:
            generator.compile()
