"""Random exposure, local contrast, sharpness, noise, borders and markers: what differs between hospitals."""

import math

import torch
from torch import Tensor

from assets.segmenter.random_fields import blur, chosen, smooth_noise, uniform

GAMMA = 0.7
"""Largest change of the exponent's logarithm at strength 1."""
CURVE_KNOTS = 6
BIAS = 0.15
"""Spread of a smooth additive field."""
LOCAL = 0.8
"""Largest share of the blurred image that is taken away (as local contrast enhancement does)."""
NOISE = 0.05
BORDER = 0.16
"""Widest border in sides."""


def expose(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Views (N, 1, H, W) in [0, 1] as another device might have taken, processed and cropped them; strength 0 none."""
    count, _, height, width = images.shape
    if strength == 0:
        return images
    views = tone_curve(images.clamp(0, 1), strength, generator)
    coarse = blur(views, height / 24)
    views = views - chosen(generator, count, 0.4) * uniform(generator, count, -0.3, LOCAL) * strength * (coarse - 0.5)
    views = views + BIAS * strength * smooth_noise(generator, count, (height, width), 3) * chosen(generator, count, 0.4)
    contrast = torch.exp(uniform(generator, count, -0.5, 0.4) * strength)
    views = (views - 0.5) * contrast + 0.5 + uniform(generator, count, -0.2, 0.2) * strength
    fine = blur(views, height / 200)
    views = views + (fine - views) * uniform(generator, count, -1.0, 1.0) * strength
    noise = torch.randn(views.shape, generator=generator)
    views = views + NOISE * strength * uniform(generator, count, 0, 1) ** 2 * noise
    views = _markers(views.clamp(0, 1), generator, 0.4 * strength)
    return _borders(views, generator, 0.5 * strength)


def tone_curve(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """A random rising tone curve: gamma, then a piecewise linear bend."""
    count = len(images)
    gamma = torch.exp(uniform(generator, count, -GAMMA, GAMMA) * strength)
    toned = images.clamp_min(1e-6) ** gamma
    steps = torch.exp(0.6 * strength * torch.randn((count, CURVE_KNOTS), generator=generator))
    knots = torch.cat((torch.zeros(count, 1), steps.cumsum(1) / steps.sum(1, keepdim=True)), dim=1)
    position = toned.flatten(1) * CURVE_KNOTS
    below = position.floor().clamp(0, CURVE_KNOTS - 1)
    low, high = knots.gather(1, below.long()), knots.gather(1, below.long() + 1)
    return (low + (high - low) * (position - below)).view_as(images)


def _borders(views: Tensor, generator: torch.Generator, probability: float) -> Tensor:
    """Black, gray or white strips along the sides, each side of its own width, as collimators and scanners leave."""
    count, _, height, width = views.shape
    rows, columns = torch.arange(height).view(1, 1, -1, 1) / height, torch.arange(width).view(1, 1, 1, -1) / width
    wide = [uniform(generator, count, 0, 1) ** 3 * BORDER * chosen(generator, count, 0.7) for _ in range(4)]
    kept = (rows >= wide[0]) & (rows < 1 - wide[1]) & (columns >= wide[2]) & (columns < 1 - wide[3])
    kept = kept | (chosen(generator, count, probability) == 0)
    gray = uniform(generator, count, 0, 1) * chosen(generator, count, 0.25)
    return torch.where(kept, views, gray)


def _markers(views: Tensor, generator: torch.Generator, probability: float) -> Tensor:
    """A bright bar somewhere, as side markers and labels are."""
    count, _, height, width = views.shape
    top, left = uniform(generator, count, 0, 1), uniform(generator, count, 0, 1)
    tall, wide = uniform(generator, count, 0.02, 0.08), uniform(generator, count, 0.02, 0.2)
    rows, columns = torch.arange(height).view(1, 1, -1, 1) / height, torch.arange(width).view(1, 1, 1, -1) / width
    bar = (rows >= top) & (rows < top + tall) & (columns >= left) & (columns < left + wide)
    bar = bar & (chosen(generator, count, probability) > 0)
    bright = uniform(generator, count, 0.6, 1.0)
    texture = 0.7 + 0.3 * torch.sin(columns * width * math.pi / 3)
    return torch.where(bar, bright * texture, views)
