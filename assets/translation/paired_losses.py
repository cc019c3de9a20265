"""Losses of translation on pseudo-pairs as free functions; every one returns a scalar tensor in float32."""

import torch
from torch import Tensor
from torch.nn import functional

from assets.registration.fields import warp
from assets.translation.losses import lsgan


def cross_entropy(logits: Tensor, *, real: bool) -> Tensor:
    """Adversarial loss of Pix2Pix: mean cross-entropy of patch logits against real (1) or fake (0).

    Source: Isola et al. 2017, arXiv:1611.07004, eq. 1; the generator maximizes log D as in their section 3.3.

    Args:
        logits: any shape; a PatchGAN's (N, 1, h, w).
        real: what the logits should say.
    """
    values = logits.float()
    return functional.binary_cross_entropy_with_logits(values, torch.full_like(values, float(real)))


def discriminator_cross_entropy(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Half the sum of the losses on real and on fake images (arXiv:1611.07004, section 3.3)."""
    return (cross_entropy(real_logits, real=True) + cross_entropy(fake_logits, real=False)) / 2


def pixel(translated: Tensor, partner: Tensor) -> Tensor:
    """Mean |G(x) - y| against the pair's other image; arXiv:1611.07004, eq. 3. Both (N, 1, H, W) in [-1, 1]."""
    return (translated.float() - partner.float()).abs().mean()


def correction(translated: Tensor, displacement: Tensor, partner: Tensor) -> Tensor:
    """Mean difference from the partner once registered, |G(x) o (id + u) - y|; arXiv:2110.06465, section 3.

    Args:
        translated: (N, 1, H, W) in [-1, 1]; read beyond the border, it goes on as at the border.
        displacement: u, backward map (N, 2, H, W) in pixels, channel 0 = x.
        partner: (N, 1, H, W) in [-1, 1].
    """
    return pixel(warp(translated.float(), displacement.float()), partner)


def smoothness(displacement: Tensor) -> Tensor:
    """Mean squared forward difference along x plus that along y; arXiv:2110.06465, section 3.

    Zero for a constant field, a**2 / 2 for u = (a x, 0): the means go over both channels.

    Args:
        displacement: (N, 2, H, W) in pixels, H and W at least 2.
    """
    field = displacement.float()
    return field.diff(dim=-1).square().mean() + field.diff(dim=-2).square().mean()


def mean_lsgan(logits: Tensor, *, real: bool) -> Tensor:
    """Least-squares adversarial loss of each image's mean logit, as Reg-GAN's discriminator gives one an image.

    Args:
        logits: patch logits (N, 1, h, w).
        real: what the mean should say.
    """
    return lsgan(logits.float().mean(dim=(2, 3)), real=real)


def discriminator_mean_lsgan(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """Sum of the losses on real and on fake images: twice the size of CycleGAN's, as in Reg-GAN's published code."""
    return mean_lsgan(real_logits, real=True) + mean_lsgan(fake_logits, real=False)
