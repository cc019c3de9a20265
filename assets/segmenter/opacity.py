"""Dense opacities painted over lungs while their masks stay whole: what teaches a network that sick lung is lung.

In the spirit of ART-ASyn (arXiv 2512.00310), with regions of our own: clouds, fluid from the base up, consolidated
lobes and whole white lungs. Opacities brighten the lung and hide its border, so that nothing but the rest of
the chest tells where it runs.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from assets.segmenter.random_fields import blur, chosen, cloud, smooth_noise, uniform

CLOUD_OCTAVES = (4, 8, 16, 32)
TARGET = (0.7, 0.98)
"""Quantiles of the image between which some opacities' gray value is drawn: soft tissue to bone."""
REACHES = 14
"""Widest blur of a lung's own shape, in 256ths of the height: beyond it an opacity ends, with the border underneath."""
STRETCH = 6.0
"""Largest gain of the blurred shape: with it an opacity covers the border and what lies just outside."""
REACH = 0.06
"""How far, in heights, the tissue round the lungs is spread over them to give other opacities their gray value."""


def add_opacities(
    images: Tensor, lungs: Tensor, probability: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images with dense regions in one or both lungs.

    Args:
        images: (N, 1, H, W) in [0, 1].
        lungs: masks (N, 2, H, W).
        probability: share of images that are painted on.
        generator: of randomness.

    Returns:
        Images, in the lungs nowhere darker than they were, and how opaque each pixel became, (N, 1, H, W) in [0, 1].
    """
    if probability == 0:
        return images, torch.zeros_like(images)
    count, _, height, width = images.shape
    # all of it is smooth, so half the resolution serves
    coarse = F.avg_pool2d(lungs, 2)
    alphas = [_alpha(coarse[:, side : side + 1], generator) for side in (0, 1)]
    both = chosen(generator, count, 0.4)
    first = chosen(generator, count, 0.5)
    alpha = torch.maximum(alphas[0] * torch.maximum(both, first), alphas[1] * torch.maximum(both, 1 - first)) * chosen(
        generator, count, probability
    )
    alpha = F.interpolate(alpha, size=(height, width), mode="bilinear", align_corners=False)
    texture = 0.05 * uniform(generator, count, 0, 1) * cloud(generator, count, (height, width), CLOUD_OCTAVES)
    painted = images + alpha * (_target(images, lungs, generator) + texture - images)
    # within a lung disease only brightens; beyond its border, which it hides, the tissue may grow darker too
    inside = lungs.amax(1, keepdim=True) > 0
    return torch.where(inside, torch.maximum(images, painted), painted).clamp(0, 1), alpha


def _alpha(lung: Tensor, generator: torch.Generator) -> Tensor:
    """Opaqueness (N, 1, H, W) in [0, 1] of one lung's disease: a kind an image, a softness at its border."""
    count, _, height, _ = lung.shape
    kinds = torch.randint(0, 10, (count, 1, 1, 1), generator=generator)
    clouds, filled = _clouds(lung, generator), _filled(lung, generator)
    regions = torch.where(kinds < 3, clouds, torch.where(kinds < 5, torch.maximum(clouds, filled), filled))
    regions = torch.where(kinds >= 9, torch.ones_like(regions), regions)
    soft = height / 256 * float(torch.rand(1, generator=generator) * 5 + 1)
    reach = height / 256 * float(torch.rand(1, generator=generator) ** 2 * REACHES + 1)
    wide = (blur(lung, reach) * uniform(generator, count, 1, STRETCH)).clamp(0, 1)
    return blur(regions, soft) * wide * uniform(generator, count, 0.35, 1.4).clamp_max(1)


def _clouds(lung: Tensor, generator: torch.Generator) -> Tensor:
    """Patches where a random field is high; how much of the lung is drawn with it."""
    count, _, height, width = lung.shape
    field = cloud(generator, count, (height, width), CLOUD_OCTAVES)
    level = uniform(generator, count, -0.6, 1.4)
    return torch.sigmoid((field - level) * uniform(generator, count, 2, 12))


def _filled(lung: Tensor, generator: torch.Generator) -> Tensor:
    """All of the lung on one side of a bent line: from the base up (fluid) mostly, from the apex down or a flank."""
    count, _, height, width = lung.shape
    rows, columns = _relative(lung)
    angle = torch.randn((count, 1, 1, 1), generator=generator) * 0.5
    angle = angle + torch.pi * chosen(generator, count, 0.25)
    along = (rows - 0.5) * angle.cos() + (columns - 0.5) * angle.sin()
    along = along + 0.08 * smooth_noise(generator, count, (height, width), 5)
    edge = uniform(generator, count, -0.2, 0.45)
    return torch.sigmoid((along - edge) * uniform(generator, count, 10, 60))


def _relative(lung: Tensor) -> tuple[Tensor, Tensor]:
    """Row and column of every pixel relative to the lung's box, 0 to 1 inside it; an absent lung gives the image's."""
    positions = []
    for axis, other in ((2, 3), (3, 2)):
        length = lung.shape[axis]
        there = lung.amax(dim=other, keepdim=True) > 0
        shape = [1, 1, -1, 1] if axis == 2 else [1, 1, 1, -1]
        index = torch.arange(length, dtype=lung.dtype).view(shape)
        first = torch.where(there, index, length).amin(dim=axis, keepdim=True)
        last = torch.where(there, index, -1).amax(dim=axis, keepdim=True)
        empty = last < first
        first, last = torch.where(empty, 0, first), torch.where(empty, length - 1, last)
        positions.append((index - first) / (last - first).clamp_min(1))
    return positions[0], positions[1]


def _target(images: Tensor, lungs: Tensor, generator: torch.Generator) -> Tensor:
    """Gray values of opaque lung: mostly those of the tissue next to it, so that the border between them is lost."""
    count, _, height, width = images.shape
    flat = images.flatten(1)
    low, high = (torch.quantile(flat[:, ::16], level, dim=1).view(-1, 1, 1, 1) for level in TARGET)
    even = low + (high - low) * uniform(generator, count, 0, 1)
    outside = F.avg_pool2d(1 - lungs.sum(1, keepdim=True).clamp(0, 1), 4)
    near = blur(F.avg_pool2d(images, 4) * outside, REACH * height / 4)
    near = (near + 1e-3 * even) / (blur(outside, REACH * height / 4) + 1e-3)
    spread = F.interpolate(near, size=(height, width), mode="bilinear", align_corners=False)
    return torch.where(chosen(generator, count, 0.7) > 0, spread + uniform(generator, count, -0.06, 0.06), even)
