"""How a training computes: where, and in which arithmetic."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Compute:
    """Device and arithmetic of a training; none of it is meant to decide what is learned.

    Attributes:
        device: where to train.
        autocast: compute in bfloat16 where torch deems it safe.
        channels_last: keep images and weights in the order N, H, W, C.
        compiled: let torch.compile fuse the generators; a first step takes minutes.
    """

    device: torch.device
    autocast: bool = False
    channels_last: bool = False
    compiled: bool = False
