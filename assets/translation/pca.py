"""Normal lungs as a mean and principal components: the translation without a GAN."""

from collections.abc import Mapping

import torch
from torch import Tensor

from assets.translation.domain import require_alike
from assets.translation.panel import LUNG

# Enough normals for a few dozen components; keeps the eigenproblem within seconds.
LARGEST_SAMPLE = 4000


def fit_pca(normal: Tensor, masks: Tensor, components: int) -> dict[str, Tensor]:
    """Mean and leading principal components of normal lungs.

    A pixel's mean is that of the images which have lung there, and where an image has none it deviates by nothing:
    otherwise the components describe the outlines of the masks instead of the tissue. From more than 4,000 images an
    evenly spaced 4,000 are taken. Fit on training normals only.

    Source: Turk and Pentland 1991, doi:10.1162/jocn.1991.3.1.71; the residual of such a subspace as an anomaly score
    goes back to Jackson and Mudholkar 1979. Filling what is missing with the mean: the project's own choice.

    Args:
        normal: (N, 1, S, S) in [-1, 1].
        masks: (N, 1, S, S) soft masks in [0, 1]; an image counts where its mask is at least 0.5.
        components: at most this many; N - 1 where there are fewer images.

    Returns:
        `mean` (S, S) and `components` (K, S, S), orthonormal, by descending variance, zero outside every mask; float32.

    Raises:
        ValueError: fewer than two images, shapes differ, or no mask reaches 0.5 anywhere.
    """
    require_alike(normal, masks)
    if len(normal) < 2:
        raise ValueError(f"normal has {len(normal)} image(s); principal components need at least two")
    chosen = torch.linspace(0, len(normal) - 1, min(len(normal), LARGEST_SAMPLE)).round().long()
    inside = masks[chosen] >= LUNG
    if not inside.any():
        raise ValueError("no normal radiograph has a pixel of lung in this frame; look at the stage lung_masks")
    images = normal[chosen].double()
    mean = _mean(images, inside)
    pixels = inside.any(0).flatten()
    directions = _principal_directions(_deviations(images, inside, mean).flatten(1)[:, pixels], components)
    canvas = torch.zeros(len(directions), pixels.numel())
    canvas[:, pixels] = directions.float()
    return {"mean": mean.float(), "components": canvas.reshape(-1, *normal.shape[2:])}


def leading(weights: Mapping[str, Tensor], components: int) -> dict[str, Tensor]:
    """The same fit with its first components alone, at most as many as it has."""
    return {"mean": weights["mean"], "components": weights["components"][:components].clone()}


def reconstruct(weights: Mapping[str, Tensor], images: Tensor, masks: Tensor) -> Tensor:
    """The normal lungs that are nearest to images, (N, 1, S, S) like them, not clipped: mean + span(components).

    Args:
        weights: of `fit_pca`.
        images: (N, 1, S, S) in [-1, 1].
        masks: (N, 1, S, S) soft masks; where one is below 0.5 the image counts as the mean.

    Raises:
        ValueError: shapes differ.
    """
    require_alike(images, masks)
    mean, basis = weights["mean"], weights["components"].flatten(1)
    coefficients = _deviations(images, masks >= LUNG, mean).flatten(1) @ basis.T
    return (mean.flatten() + coefficients @ basis).reshape(images.shape)


def _mean(images: Tensor, inside: Tensor) -> Tensor:
    """(S, S) mean of the images that have lung at a pixel; where none has, the mean of all lungs."""
    total, count = torch.where(inside, images, 0).sum((0, 1)), inside.sum((0, 1))
    return torch.where(count > 0, total / count.clamp(min=1), images[inside].mean())


def _deviations(images: Tensor, inside: Tensor, mean: Tensor) -> Tensor:
    return torch.where(inside, images - mean, 0)


def _principal_directions(centered: Tensor, components: int) -> Tensor:
    """Leading right singular vectors (K, D) of (N, D), signed so that the entry of largest magnitude is positive."""
    _, values, directions = torch.linalg.svd(centered, full_matrices=False)
    count = min(components, len(centered) - 1, int((values > 1e-9 * values[0]).sum()))
    leading = directions[:count]
    largest = leading.gather(1, leading.abs().argmax(1, keepdim=True))
    signed: Tensor = leading * largest.sign()
    return signed
