"""What the network makes of the reference itself: the zero of the frame."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from assets.registration.appearance import vary_appearance
from assets.registration.deformations import draw_velocities, outline_normals
from assets.registration.fields import compose, integrate, warp
from assets.registration.settings import RegistrationSettings

Predict = Callable[[Tensor], Tensor]
PAIRS = 8
"""Deformations that are drawn at once; each is used forth and back."""


@torch.inference_mode()
def anchor_velocity(
    predict: Predict, image: Tensor, lungs: Tensor, settings: RegistrationSettings, pairs: int
) -> Tensor:
    """Velocity (1, 2, h, w) by which the network would move the reference, averaged over many copies of it.

    A single look errs as much for the reference as for any radiograph, and its error would be everybody's. Copies
    that are deformed by a known map and look different err differently; each is led back by its map before they are
    averaged.

    Args:
        predict: copies (N, 1, h, w) -> velocities (N, 2, h, w).
        image: the reference radiograph, (1, 1, h, w) in [0, 1].
        lungs: soft lungs of the reference, (1, 2, h, w).
        settings: those of the training: `seed`, and what deforms and varies a copy.
        pairs: of copies, deformed forth and back; with 0 the network looks once, at the reference as it is, which is
            then mapped onto itself.

    Returns:
        Pixels of the half grid: a mean displacement, taken for a velocity because it is small and smooth.
    """
    if pairs == 0:
        return predict(image)
    rng, generator = np.random.default_rng(settings.seed), torch.Generator().manual_seed(settings.seed)
    normals, found = outline_normals(lungs), []
    for first in range(0, pairs, PAIRS):
        drawn = draw_velocities(min(PAIRS, pairs - first), normals, settings, rng)
        # there and back, so that the deformations cancel and the network's answer to them remains
        known = integrate(torch.cat((drawn, -drawn)), settings.integration_steps)
        copies = warp(image.cpu().expand(len(known), -1, -1, -1), known)
        velocity = predict(vary_appearance(copies, settings.jitter, generator).to(image.device)).cpu()
        found.append(compose(known, integrate(velocity, settings.integration_steps)))
    return torch.cat(found).mean(0, keepdim=True).to(image.device)
