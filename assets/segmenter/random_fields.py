"""Random numbers and smooth random fields for training views, all drawn from a generator that is passed in."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def uniform(generator: torch.Generator, count: int, low: float, high: float) -> Tensor:
    """Uniform numbers (count, 1, 1, 1) in [low, high)."""
    return low + (high - low) * torch.rand((count, 1, 1, 1), generator=generator)


def chosen(generator: torch.Generator, count: int, probability: float) -> Tensor:
    """1.0 with a probability, else 0.0, (count, 1, 1, 1)."""
    return (torch.rand((count, 1, 1, 1), generator=generator) < probability).float()


def smooth_noise(
    generator: torch.Generator, count: int, size: tuple[int, int], cells: int, channels: int = 1
) -> Tensor:
    """Gaussian noise on about `cells` x `cells` points, interpolated smoothly; (count, channels, H, W)."""
    lattice = torch.randn((count, channels, cells + 3, cells + 3), generator=generator)
    return F.interpolate(lattice, size=size, mode="bicubic", align_corners=True)


def cloud(generator: torch.Generator, count: int, size: tuple[int, int], octaves: Sequence[int]) -> Tensor:
    """Sum of smooth noises, each octave weighing half of the coarser one; (count, 1, H, W), zero mean, unit spread."""
    layers = [smooth_noise(generator, count, size, cells) * 0.5**power for power, cells in enumerate(octaves)]
    total = torch.stack(layers).sum(0)
    mean, spread = total.mean((2, 3), keepdim=True), total.std((2, 3), keepdim=True)
    return (total - mean) / spread.clamp_min(1e-6)


def blur(images: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of (N, C, H, W) by `sigma` pixels, borders repeated."""
    radius = max(1, round(3 * sigma))
    offsets = torch.arange(-radius, radius + 1, dtype=images.dtype)
    weights = torch.exp(-0.5 * (offsets / sigma) ** 2)
    weights = (weights / weights.sum()).expand(images.shape[1], 1, 1, -1)
    groups = images.shape[1]
    rows = F.conv2d(F.pad(images, (radius, radius, 0, 0), mode="replicate"), weights, groups=groups)
    padded = F.pad(rows, (0, 0, radius, radius), mode="replicate")
    return F.conv2d(padded, weights.transpose(2, 3), groups=groups)
