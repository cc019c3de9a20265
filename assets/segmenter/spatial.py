"""Random pose, aspect, elastic deformation and mirror of training views."""

import torch
import torch.nn.functional as F
from torch import Tensor

from assets.segmenter.random_fields import chosen, smooth_noise, uniform

ROTATION = 0.2
"""Largest rotation in radians at strength 1."""
ASPECT = 0.22
"""Largest change of the logarithm of width over height: sources differ by squashing."""
ZOOM_IN, ZOOM_OUT = 0.25, 0.3
"""Largest changes of the logarithm of the scale; zooming out leaves black borders as collimation does."""
SHIFT = 0.2
"""Largest shift in half sides."""
SHEAR = 0.08
ELASTIC = 0.035
"""Spread of the elastic displacement in half sides."""
ELASTIC_CELLS = 5
HEART = 0.3
"""Reach of the swelling about the heart in half sides."""
SWELLING = 0.45
"""Largest share of the way to its center that the map moves there; by itself it folds from 1 on."""


def deform(
    images: Tensor, lungs: Tensor, strength: float, generator: torch.Generator, mirror: bool = True
) -> tuple[Tensor, Tensor]:
    """Training views under one random smooth map each.

    Args:
        images: (N, C, H, W) in [0, 1]; all channels follow the map.
        lungs: masks (N, 2, H, W), channel 0 = patient-right.
        strength: 0 for none, 1 as chosen.
        generator: of randomness.
        mirror: mirror every other view, lungs exchanged.

    Returns:
        Images, black where the map leaves the original, and masks of 0.0 and 1.0.
    """
    count, channels, height, width = images.shape
    grid = F.affine_grid(_matrices(count, strength, generator), [count, 1, height, width], align_corners=True)
    bend = smooth_noise(generator, count, (height, width), ELASTIC_CELLS, channels=2) * ELASTIC * strength
    grid = _swollen(grid + bend.permute(0, 2, 3, 1) * uniform(generator, count, 0, 1), strength, generator)
    both = F.grid_sample(torch.cat((images, lungs), dim=1), grid, align_corners=True)
    if mirror:
        exchanged = [*range(channels), channels + 1, channels]
        both = torch.where(chosen(generator, count, 0.5) > 0, both.flip(3)[:, exchanged], both)
    return both[:, :channels].clamp(0, 1), (both[:, channels:] > 0.5).float()


def _swollen(grid: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Maps that enlarge (or shrink) what lies about the heart, which differs more between patients than pose does."""
    count = len(grid)
    center = torch.cat(
        (uniform(generator, count, -0.2, 0.3), uniform(generator, count, -0.1, 0.5)), dim=3
    )  # (count, 1, 1, 2) in half sides
    offset = grid - center
    bump = torch.exp(-(offset**2).sum(3, keepdim=True) / (2 * HEART**2))
    gain = uniform(generator, count, -SWELLING / 2, SWELLING) * chosen(generator, count, 0.5) * strength
    return grid - gain * bump * offset


def _matrices(count: int, strength: float, generator: torch.Generator) -> Tensor:
    """Affine maps (count, 2, 3) from the view to the original, in half sides."""

    def draw(low: float, high: float) -> Tensor:
        return uniform(generator, count, low * strength, high * strength).flatten()

    angle, shear = draw(-ROTATION, ROTATION), draw(-SHEAR, SHEAR)
    zoom, aspect = draw(-ZOOM_IN, ZOOM_OUT), draw(-ASPECT, ASPECT)
    wide, high = torch.exp(zoom + aspect / 2), torch.exp(zoom - aspect / 2)
    x = torch.stack((angle.cos() * wide, (shear - angle.sin()) * high, draw(-SHIFT, SHIFT)), dim=1)
    y = torch.stack((angle.sin() * wide, angle.cos() * high, draw(-SHIFT, SHIFT)), dim=1)
    return torch.stack((x, y), dim=1)
