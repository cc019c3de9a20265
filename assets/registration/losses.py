"""Terms of the training loss; all are means, so that they don't depend on batch or image size."""

import torch
from torch import Tensor


def field_distance(displacement: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean over `mask` of the squared length of `displacement - target`.

    In a pair made of a radiograph and its own pre-aligned copy the true map is the pre-alignment itself.

    Args:
        displacement: (N, 2, h, w).
        target: (N, 2, h, w), same units.
        mask: weights (N or 1, 1, h, w) in [0, 1].

    Returns:
        Scalar, squared units of the fields.
    """
    return _masked_mean((displacement - target).square().sum(1, keepdim=True), mask)


def intensity_difference(warped: Tensor, fixed: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of two images (N, 1, h, w) over `mask` (N or 1, 1, h, w) in [0, 1]."""
    return _masked_mean((warped - fixed).square(), mask)


def roughness(field: Tensor) -> Tensor:
    """Mean squared forward difference of a field (N, 2, h, w), averaged over the two axes (VoxelMorph's `Grad`, l2).

    Zero for a constant field; `a**2 / 4` for `u = (a x, 0)`: one of two channels, one of two axes.
    """
    along_x, along_y = field.diff(dim=-1), field.diff(dim=-2)
    return (along_x.square().mean() + along_y.square().mean()) / 2


def overlap_loss(warped: Tensor, fixed: Tensor) -> Tensor:
    """One minus the soft Dice overlap, averaged over images and lungs.

    Args:
        warped: soft masks (N, 2, h, w) in [0, 1].
        fixed: soft masks (N or 1, 2, h, w) in [0, 1].

    Returns:
        Scalar in [0, 1]; 0 for equal binary masks. A lung that is empty in both counts as a match.
    """
    fixed = fixed.expand_as(warped)
    both = 2 * (warped * fixed).sum((2, 3))
    total = warped.sum((2, 3)) + fixed.sum((2, 3))
    return 1 - torch.where(total > 0, both / total.clamp(min=1e-6), torch.ones_like(total)).mean()


def _masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    weights = mask.expand_as(values)
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)
