"""Normal lungs as a mean and principal components: the translation without a GAN."""

from collections.abc import Mapping

import torch
from torch import Tensor

from assets.translation.domain import support

# Enough normals for a few dozen components; keeps the eigenproblem within seconds.
LARGEST_SAMPLE = 4000


def fit_pca(normal: Tensor, masks: Tensor, components: int) -> dict[str, Tensor]:
    """Mean and leading principal components of normal images.

    Only pixels that are lung in at least one image take part. From more than 4,000 images an evenly spaced 4,000 are
    taken. Fit on training normals only.

    Source: Turk and Pentland 1991, doi:10.1162/jocn.1991.3.1.71; the residual of such a subspace as an anomaly score
    goes back to Jackson and Mudholkar 1979.

    Args:
        normal: (N, 1, S, S) in [-1, 1].
        masks: (N, 1, S, S) soft masks in [0, 1].
        components: at most this many; N - 1 where there are fewer images.

    Returns:
        `mean` (S, S) and `components` (K, S, S), orthonormal, by descending variance, zero outside every mask; float32.

    Raises:
        ValueError: fewer than two images, or shapes differ.
    """
    if normal.ndim != 4 or normal.shape != masks.shape:
        raise ValueError(f"normal {tuple(normal.shape)} and masks {tuple(masks.shape)} must both be (N, 1, S, S)")
    if len(normal) < 2:
        raise ValueError(f"normal has {len(normal)} image(s); principal components need at least two")
    chosen = torch.linspace(0, len(normal) - 1, min(len(normal), LARGEST_SAMPLE)).round().long()
    pixels = support(masks).any(0).flatten()
    vectors = normal[chosen].flatten(1)[:, pixels].double()
    mean = vectors.mean(0)
    directions = _principal_directions(vectors - mean, components)
    canvas = torch.zeros(len(directions), pixels.numel())
    canvas[:, pixels] = directions.float()
    return {
        "mean": normal[chosen].double().mean(0)[0].float(),
        "components": canvas.reshape(-1, *normal.shape[2:]),
    }


def leading(weights: Mapping[str, Tensor], components: int) -> dict[str, Tensor]:
    """The same fit with its first components alone, at most as many as it has."""
    return {"mean": weights["mean"], "components": weights["components"][:components].clone()}


def reconstruct(weights: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """Orthogonal projection of images (N, 1, S, S) onto mean + span(components); not clipped."""
    size = images.shape[-1]
    mean = weights["mean"].flatten()
    basis = weights["components"].flatten(1)
    coefficients = (images.flatten(1) - mean) @ basis.T
    return (mean + coefficients @ basis).reshape(-1, 1, size, size)


def _principal_directions(centered: Tensor, components: int) -> Tensor:
    """Leading right singular vectors (K, D) of (N, D), signed so that the entry of largest magnitude is positive."""
    _, values, directions = torch.linalg.svd(centered, full_matrices=False)
    count = min(components, len(centered) - 1, int((values > 1e-9 * values[0]).sum()))
    leading = directions[:count]
    largest = leading.gather(1, leading.abs().argmax(1, keepdim=True))
    signed: Tensor = leading * largest.sign()
    return signed
