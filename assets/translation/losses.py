"""Losses of unpaired translation as free functions; every one returns a scalar tensor in float32."""

import torch
from torch import Tensor
from torch.nn import functional


def lsgan(logits: Tensor, *, real: bool) -> Tensor:
    """Least-squares adversarial loss: mean squared distance of the patch logits from 1 (real) or 0 (fake).

    Source: Mao et al. 2017, arXiv:1611.04076, eq. 9 with a = 0, b = c = 1, without the factor 1/2.

    Args:
        logits: any shape; a PatchGAN's (N, 1, h, w).
        real: what the logits should say.
    """
    return (logits.float() - float(real)).square().mean()


def discriminator_lsgan(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Half the sum of the losses on real and on fake images (CycleGAN, arXiv:1703.10593, section 4)."""
    return (lsgan(real_logits, real=True) + lsgan(fake_logits, real=False)) / 2


def cycle(reconstructed: Tensor, original: Tensor) -> Tensor:
    """Cycle consistency: mean |B(F(x)) - x|; arXiv:1703.10593, eq. 2. Both (N, 1, H, W) in [-1, 1]."""
    return (reconstructed.float() - original.float()).abs().mean()


def identity(translated: Tensor, target: Tensor) -> Tensor:
    """Identity loss: mean |F(y) - y| for y already in F's target domain; arXiv:1703.10593, section 5.2."""
    return (translated.float() - target.float()).abs().mean()


def patch_nce(query: Tensor, key: Tensor, temperature: float) -> Tensor:
    """Contrastive loss of patches: each query must pick the key at its own position among its image's keys.

    mean over images and positions s of -log( exp(q_s k_s / t) / sum_j exp(q_s k_j / t) ). Keys get no gradient.

    Source: Park et al. 2020, arXiv:2007.15651, eq. 3, negatives from the same image only.

    Args:
        query: (N, S, C), unit vectors of the translated image.
        key: (N, S, C), unit vectors of the input at the same positions.
        temperature: t.

    Raises:
        ValueError: shapes differ or are not (N, S, C).
    """
    if query.ndim != 3 or query.shape != key.shape:
        raise ValueError(f"query {tuple(query.shape)} and key {tuple(key.shape)} must both be (N, S, C) of one shape")
    # (N, S, S): row = query position, column = key position
    logits = query.float() @ key.float().detach().transpose(1, 2) / temperature
    positions = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape[0], -1)
    return functional.cross_entropy(logits.flatten(0, 1), positions.flatten())
