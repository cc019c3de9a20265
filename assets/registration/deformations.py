"""Random smooth deformations that are known exactly: what the network learns to undo.

Velocities are (N, 2, h, w), channel 0 = x, in pixels of their grid; integrated, they are backward maps on the
reference grid, as every displacement field here.
"""

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from assets.registration.fields import integrate
from assets.registration.settings import RegistrationSettings
from assets.segmenter.damage import signed_distance

_NEAR = 4 / 128
"""An outline counts as near within this share of the grid's height."""

_SMOOTHING = 1.5 / 128
"""Gaussian sigma of the distance to the outlines, share of the grid's height: normals must not jump at corners."""


def random_velocity(
    count: int, size: tuple[int, int], settings: RegistrationSettings, rng: np.random.Generator
) -> Tensor:
    """Sum of smooth random fields, one a number of knots, of random amplitude.

    Args:
        count: fields.
        size: (h, w) of the grid.
        settings: `deformation`, `sideways`, `knots`.
        rng: draws amplitudes and knots.

    Returns:
        float32 (count, 2, h, w), pixels of the grid.
    """
    velocity = torch.zeros(count, 2, *size)
    largest = 1.5 * settings.deformation * size[0] / math.sqrt(len(settings.knots))
    direction = torch.tensor([settings.sideways, 1.0]).view(1, 2, 1, 1)
    for knots in settings.knots:
        amplitude = torch.from_numpy(rng.uniform(0, largest, (count, 1, 1, 1)).astype(np.float32))
        values = torch.from_numpy(rng.standard_normal((count, 2, knots, knots)).astype(np.float32))
        velocity += F.interpolate(amplitude * direction * values, size=size, mode="bicubic", align_corners=True)
    return velocity


def outline_normals(reference: Tensor) -> Tensor:
    """Unit normals of the reference's outlines, fading with the distance to them.

    Args:
        reference: soft lungs (1, 2, h, w) in [0, 1].

    Returns:
        (1, 2, h, w): of length 1 on an outline, 0 far away; `keep_outlines` projects with it.
    """
    masks = [mask for mask in (reference[0] >= 0.5).cpu().numpy() if mask.any()]
    distance = np.min([-signed_distance(mask) for mask in masks], axis=0)
    smooth = np.asarray(cv2.GaussianBlur(distance, (0, 0), _SMOOTHING * len(distance)), dtype=np.float32)
    down, across = np.gradient(smooth)
    fade = np.exp(-0.5 * (smooth / (_NEAR * len(smooth))) ** 2) / np.maximum(np.hypot(across, down), 1e-6)
    return torch.from_numpy(np.stack([across * fade, down * fade])[None].astype(np.float32))


def keep_outlines(velocity: Tensor, normals: Tensor) -> Tensor:
    """The velocity without its part across the outlines: what flows along an outline leaves its shape alone."""
    return velocity - (velocity * normals).sum(1, keepdim=True) * normals


def trust_outlines(velocity: Tensor, normals: Tensor, doubt: float) -> Tensor:
    """The velocity with less of its part across the outlines, the smaller that part is.

    Masks place outlines more precisely than a network does, so that a small disagreement is the network's error; a
    large one says that the mask is damaged. Of a speed s across an outline, the share s^2 / (s^2 + doubt^2) is kept.

    Args:
        velocity: (N, 2, h, w).
        normals: (1, 2, h, w), from `outline_normals`; their fading lets velocities go further away.
        doubt: speed of which half is kept, pixels of the grid; 0 keeps all.
    """
    if doubt == 0:
        return velocity
    # channel by channel: reductions over two channels take several times as long on a CPU
    fade = torch.hypot(normals[:, :1], normals[:, 1:])
    across = velocity[:, :1] * normals[:, :1] + velocity[:, 1:] * normals[:, 1:]
    speed = across / fade.clamp(min=1e-6)
    taken: Tensor = across * doubt**2 / (speed.square() + doubt**2)
    return velocity - taken * normals


def draw_velocities(count: int, normals: Tensor, settings: RegistrationSettings, rng: np.random.Generator) -> Tensor:
    """Velocities (count, 2, h, w) of random deformations of the reference grid; a share keeps the outlines."""
    velocity = random_velocity(count, (normals.shape[2], normals.shape[3]), settings, rng)
    kept = torch.from_numpy(rng.random((count, 1, 1, 1)) < settings.outline_kept)
    return torch.where(kept, keep_outlines(velocity, normals.cpu()), velocity)


def draw_deformations(count: int, normals: Tensor, settings: RegistrationSettings, rng: np.random.Generator) -> Tensor:
    """Displacements (count, 2, h, w) of random diffeomorphisms: `draw_velocities`, integrated."""
    return integrate(draw_velocities(count, normals, settings, rng), settings.integration_steps)
