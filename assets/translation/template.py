"""Normal lungs as their mean and spread, pixel by pixel: the map that alignment alone gives."""

from collections.abc import Mapping

import torch
from torch import Tensor

from assets.translation.domain import require_alike
from assets.translation.moments import Pooling, no_moments, usual
from assets.translation.panel import LUNG

# A mean of many normals needs no help from neighbouring pixels; at the border of all lungs few normals are left.
_POOLING = Pooling(sigma=0.0, prior=1.0, smallest=0.25)


def fit_template(normal: Tensor, masks: Tensor) -> dict[str, Tensor]:
    """Mean of normal images at every pixel, and how many usual spreads a difference there is worth.

    Fit on training normals only.

    Args:
        normal: (N, 1, S, S) in [-1, 1].
        masks: (N, 1, S, S) soft masks in [0, 1]; an image counts where its mask is at least 0.5.

    Returns:
        `mean` (S, S) in [-1, 1], and `gain` (S, S), the mean spread of the pixels over the pixel's own, from above 0 to
        at most 4 times that of the lungs as a whole; float32.

    Raises:
        ValueError: fewer than two images, shapes differ, or no mask reaches 0.5 anywhere.
    """
    require_alike(normal, masks)
    if len(normal) < 2:
        raise ValueError(f"normal has {len(normal)} image(s); a spread needs at least two")
    inside = (masks[:, 0] >= LUNG).cpu().numpy()
    moments = no_moments(normal.shape[-1])
    for image, lungs in zip(normal[:, 0].cpu().numpy(), inside, strict=True):
        moments.add(image, lungs)
    found = usual(moments, _POOLING)
    # Weighted by the lungs that are there, the mean gain keeps maps in units of an image.
    typical = float((found.spread * moments.count).sum() / moments.count.sum())
    return {"mean": torch.from_numpy(found.mean), "gain": torch.from_numpy(typical / found.spread)}


def recall(weights: Mapping[str, Tensor], images: Tensor) -> Tensor:
    """The mean for each of the images (N, 1, S, S), whatever they show."""
    return weights["mean"].expand_as(images)
