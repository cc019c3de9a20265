"""Random changes of appearance, so that the network follows anatomy and neither gray values nor disease."""

import torch
from torch import Tensor

from assets.segmenter.random_fields import chosen, smooth_noise, uniform

SHADOW_CELLS = (1, 5, 13)
"""Cells a side of the smooth fields that shade an image: from exposure gradients to patches of disease."""

SPOTS = 6
SPOT_RADIUS = 0.015, 0.095
"""Smallest and largest radius of a spot, share of the image's height: nodules to lobes."""

NOISE = 0.2
"""Spread of the noise, relative to the strength."""


def vary_appearance(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Images (N, 1, h, w) in [0, 1], each with other shadows, spots, noise and exposure, clipped to [0, 1].

    Args:
        images: (N, 1, h, w).
        strength: spread of shadows and of the logarithms of gamma and contrast; brightness has half of it, spots twice.
            0 leaves the images alone.
        generator: of randomness.
    """
    if strength == 0:
        return images
    count = len(images)
    changed = images + strength * (_shadows(images, generator) + 2 * _spots(images, generator))
    changed = changed + NOISE * strength * torch.randn(images.shape, generator=generator)
    gamma, contrast, brightness = (strength * torch.randn((3, count, 1, 1, 1), generator=generator)).unbind()
    toned = changed.clamp(1e-4, 1) ** torch.exp(gamma)
    return ((toned - 0.5) * torch.exp(contrast) + 0.5 + brightness / 2).clamp(0, 1)


def _shadows(images: Tensor, generator: torch.Generator) -> Tensor:
    """Sum of smooth fields (N, 1, h, w), each of a random spread of up to 1."""
    size = images.shape[2], images.shape[3]
    layers = [
        uniform(generator, len(images), 0, 1) * smooth_noise(generator, len(images), size, cells)
        for cells in SHADOW_CELLS
    ]
    return torch.stack(layers).sum(0)


def _spots(images: Tensor, generator: torch.Generator) -> Tensor:
    """Sum of up to `SPOTS` flat disks with soft borders, bright or dark, (N, 1, h, w)."""
    count, _, height, width = images.shape
    shape = (count * SPOTS, 1, 1, 1)
    down = torch.rand(shape, generator=generator) * height - torch.arange(height).view(1, 1, -1, 1)
    across = torch.rand(shape, generator=generator) * width - torch.arange(width).view(1, 1, 1, -1)
    radius = height * uniform(generator, count * SPOTS, *SPOT_RADIUS)
    present = chosen(generator, count * SPOTS, 0.5) * torch.randn(shape, generator=generator)
    disks = present * torch.exp(-(((down**2 + across**2) / (2 * radius**2)) ** 2))
    return disks.view(count, SPOTS, height, width).sum(1, keepdim=True)
