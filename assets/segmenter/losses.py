"""Losses of the segmenter."""

import torch
import torch.nn.functional as F
from torch import Tensor


def overlap_loss(logits: Tensor, lungs: Tensor) -> Tensor:
    """One minus the soft Dice of a lung in a view (Milletari et al., 3DV 2016), averaged over lungs and views.

    Args:
        logits: (N, 3, H, W): background, patient-right, patient-left.
        lungs: masks (N, 2, H, W) of 0.0 and 1.0.
    """
    probabilities = logits.softmax(1)[:, 1:]
    shared = (probabilities * lungs).sum((2, 3))
    total = probabilities.sum((2, 3)) + lungs.sum((2, 3))
    return 1 - ((2 * shared + 1) / (total + 1)).mean()


def weighted_entropy(logits: Tensor, lungs: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy (1,) of logits (N, 3, H, W) against masks (N, 2, H, W), averaged with pixel weights (N, H, W)."""
    target = lungs[:, 0] + 2 * lungs[:, 1]
    entropy = F.cross_entropy(logits, target.long(), reduction="none")
    return (entropy * weights).sum() / weights.sum()


def outline_band(lungs: Tensor, radius: int = 3) -> Tensor:
    """1.0 within `radius` pixels (square) of a change in a mask (N, 2, H, W), else 0.0; (N, H, W)."""
    size = 2 * radius + 1
    dilated = F.max_pool2d(lungs, size, stride=1, padding=radius)
    eroded = 1 - F.max_pool2d(1 - lungs, size, stride=1, padding=radius)
    return torch.amax(dilated - eroded, dim=1)
