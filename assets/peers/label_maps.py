"""Synthetic pairs of images: random label maps, warped and painted (Hoffmann et al., TMI 2022).

Two views of one map are each warped by a smooth map of its own and painted in gray values of their own, so a network
can only match them by their shapes. Lengths are shares of the image's side, so that a finer grid shows the same. Labels
are int64 (N, h, w); anatomy maps hold 0 background, 1 patient-right lung, 2 patient-left lung, 3 between the lungs, 4
body, and overlaid shapes from 5. All numbers come from a torch.Generator on the CPU.
"""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from assets.registration.fields import identity_grid, integrate, resize_displacement, warp
from assets.segmenter.random_fields import chosen, uniform

BETWEEN, BODY, FIRST_SHAPE = 3, 4, 5
"""Labels of an anatomy map beside 0 background, 1 and 2 the lungs."""

SHAPE_CELLS = (8, 4)
"""Points a side of the noises that make shapes: 32 and 64 px of 256 in the paper."""

WOBBLE_CELLS = (16, 8, 4)
WOBBLE = 1 / 16
"""Largest spread of the displacement of one label's noise on each scale, sides."""

VELOCITY_CELLS = (8, 4, 2)
VELOCITY = 0.027
"""Largest spread of a view's velocity on each scale, sides; the official demo has 0.016. Two views of a map then differ
by what phantoms are apart after the lungs' box: a mean of 7.5 px of 256."""

VIEW_SQUARINGS = 5
BIAS_CELLS = (6,)
BODY_MARGIN = 0.08
"""Width of the chest wall around the lungs, sides of the image."""


def noise(count: int, channels: int, size: tuple[int, int], cells: Sequence[int], generator: torch.Generator) -> Tensor:
    """Gaussian noise of several coarsenesses, linearly interpolated and added, (count, channels, H, W).

    Every image has a spread of its own on every scale, uniform in [0, 1).

    Args:
        count: images.
        channels: independent fields of an image.
        size: (H, W).
        cells: points a side on which a field is drawn, one entry a scale.
        generator: where all numbers come from.
    """
    total = torch.zeros(count, channels, *size)
    for points in cells:
        lattice = torch.randn((count, channels, points, points), generator=generator)
        lattice = lattice * uniform(generator, count, 0, 1)
        total += F.interpolate(lattice, size=size, mode="bilinear", align_corners=True)
    return total


def random_shapes(count: int, labels: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Maps of random shapes, (count, H, W) with labels 0 to `labels` - 1: the largest of as many warped noises."""
    fields = noise(count * labels, 1, size, SHAPE_CELLS, generator)
    wobble = WOBBLE * size[0] * noise(count * labels, 2, size, WOBBLE_CELLS, generator)
    shapes: Tensor = warp(fields, wobble).view(count, labels, *size).argmax(1)
    return shapes


def anatomy_map(lungs: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Map (H, W) of a chest around its lungs: body around the hull of both lungs and below it, lungs on top.

    Args:
        lungs: (H, W), 0 background, 1 patient-right, 2 patient-left lung.

    Raises:
        ValueError: the mask is empty.
    """
    points = cv2.findNonZero((lungs > 0).astype(np.uint8))
    if points is None:
        raise ValueError("lungs: expected at least one lung, all pixels are 0; segment again or reject the image")
    trunk = cv2.fillConvexPoly(np.zeros(lungs.shape, np.uint8), cv2.convexHull(points), 1)
    margin = max(1, round(BODY_MARGIN * lungs.shape[0]))
    wall = cv2.dilate(trunk, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1, 2 * margin + 1)))
    labels = np.where(np.maximum.accumulate(wall, axis=0) > 0, BODY, 0)
    labels[trunk > 0] = BETWEEN
    return np.where(lungs > 0, lungs, labels).astype(np.uint8)


def overlay(maps: Tensor, shapes: Tensor, shown: int) -> Tensor:
    """Maps (N, h, w) under the first `shown` labels of shapes (N, h, w), which get the labels from 5."""
    return torch.where(shapes < shown, FIRST_SHAPE + shapes, maps)


def view_displacements(count: int, size: tuple[int, int], generator: torch.Generator) -> Tensor:
    """Smooth invertible backward maps (count, 2, H, W), pixels: integrated noise, drawn on a grid half as fine."""
    half = size[0] // 2, size[1] // 2
    velocity = VELOCITY * half[0] * noise(count, 2, half, VELOCITY_CELLS, generator)
    return resize_displacement(integrate(velocity, VIEW_SQUARINGS), size)


def warp_labels(maps: Tensor, displacement: Tensor) -> Tensor:
    """Labels (N, h, w) read at the pixel nearest to `p + u(p)`, u (N, 2, h, w); the border is replicated."""
    height, width = maps.shape[-2:]
    x, y = (identity_grid((height, width), displacement) + displacement).round().long().unbind(1)
    place = y.clamp(0, height - 1) * width + x.clamp(0, width - 1)
    return maps.flatten(1).gather(1, place.flatten(1)).view_as(maps)


def paint(maps: Tensor, generator: torch.Generator) -> Tensor:
    """Images (N, 1, h, w) in [0, 1] of label maps (N, h, w) in random gray values.

    A mean and a spread of Gaussian noise for every label, black background in a fifth of the images, then blur, a
    smooth multiplicative bias, stretching to [0, 1] and gamma.

    Args:
        maps: labels from 0.
        generator: where all numbers come from.
    """
    count, height, width = maps.shape
    if not count:
        return torch.zeros(0, 1, height, width)
    labels = int(maps.max()) + 1
    means, spreads = (_between(generator, (count, labels), *span) for span in ((0.1, 0.9), (0.02, 0.1)))
    lit = 1 - chosen(generator, count, 0.2).view(count, 1)
    means[:, :1], spreads[:, :1] = means[:, :1] * lit, spreads[:, :1] * lit
    flat = maps.flatten(1)
    grain = torch.randn(flat.shape, generator=generator)
    images = (means.gather(1, flat) + spreads.gather(1, flat) * grain).view(count, 1, height, width).clamp(0, 1)
    images = _blurred(images, _between(generator, (count,), 0, 1))
    images = images * torch.exp(0.3 * noise(count, 1, (height, width), BIAS_CELLS, generator))
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    exponent = torch.exp(0.25 * torch.randn((count, 1, 1, 1), generator=generator))
    return ((images - low) / (high - low).clamp_min(1e-6)) ** exponent


def _between(generator: torch.Generator, shape: tuple[int, ...], low: float, high: float) -> Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator)


def _blurred(images: Tensor, sigmas: Tensor) -> Tensor:
    """Images (N, 1, h, w), each blurred by its own sigma (N,), at most about one pixel."""
    offsets = torch.arange(-3.0, 4.0)
    weights = torch.exp(-0.5 * (offsets / sigmas.clamp_min(1e-3)[:, None]) ** 2)
    weights = (weights / weights.sum(1, keepdim=True)).view(-1, 1, 7, 1)
    padded = F.pad(images.transpose(0, 1), (3, 3, 3, 3), mode="replicate")
    rows = F.conv2d(padded, weights, groups=len(images))
    return F.conv2d(rows, weights.transpose(2, 3), groups=len(images)).transpose(0, 1)
