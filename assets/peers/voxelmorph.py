"""VoxelMorph with one fixed image: a network that registers radiographs to the reference by their gray values.

Balakrishnan et al., TMI 2019 (network, losses); Dalca et al., MedIA 2019 (stationary velocity, scaling and squaring).
The reference is a healthy other patient, so a lesion has no counterpart in it.
"""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.peers.training import Progress, boxed_image, check_size, shown_image, shown_pair, train
from assets.registration.fields import integrate, warp
from assets.registration.losses import roughness
from assets.registration.network import RegistrationNetwork
from assets.registration.training import Fitted

SMALLEST_VARIANCE = 1e-4
"""Below this a window counts as flat; smaller values let rounding of the moments pass for correlation."""


def fit_voxelmorph(
    images: npt.NDArray[np.float32],
    lungs: npt.NDArray[np.uint8],
    reference: Case,
    settings: PeerSettings,
    *,
    progress: Progress | None = None,
) -> Fitted:
    """Train to warp radiographs, after the lungs' box alignment, onto the reference's gray values.

    Args:
        images: (N, H, W) in [0, 1], windowed by their lungs.
        lungs: uint8 (N, H, W), for the box alignment only.
        reference: the fixed image and its lungs, (H, W).
        settings: network, similarity, schedule, seed.
        progress: called after every step with the step (from 0) and its loss terms.

    Returns:
        Weights, and a history of `similarity`, `smoothness` and `loss`.

    Raises:
        ValueError: no images, arrays that don't fit each other or the network, or an empty mask.
        PeerTrainingStopped: the loss is not finite.
    """
    check_size("reference.image", reference.image.shape, settings)
    if len(images) == 0:
        raise ValueError("images is empty; VoxelMorph needs at least one training radiograph")
    for name, shape in (("images", images.shape), ("lungs", lungs.shape)):
        if shape != (len(images), *reference.image.shape):
            raise ValueError(f"{name} has shape {shape}; expected {(len(images), *reference.image.shape)}")
    pairs = zip(images, lungs, strict=True)
    moving = torch.cat([shown_image(boxed_image(Case(image, own), reference)) for image, own in pairs])
    fixed = shown_image(reference.image)

    def objective(network: RegistrationNetwork, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = torch.randperm(len(moving), generator=generator)[: settings.batch_size]
        return loss_terms(network, moving[drawn], fixed, settings)

    return train(objective, settings, progress)


def loss_terms(
    network: RegistrationNetwork, moving: Tensor, fixed: Tensor, settings: PeerSettings
) -> dict[str, Tensor]:
    """Similarity of moving (N, 1, h, w), warped, to fixed (1, 1, h, w), and the velocity's smoothness."""
    velocity = network(shown_pair(moving, fixed))
    warped = warp(moving, integrate(velocity, settings.integration_steps))
    target = fixed.expand_as(warped)
    if settings.similarity == "ncc":
        similarity = 1 - local_correlation(warped, target, settings.ncc_window)
    else:
        similarity = (warped - target).square().mean()
    smoothness = roughness(velocity)
    loss = similarity + settings.voxelmorph_smoothness * smoothness
    return {"similarity": similarity, "smoothness": smoothness, "loss": loss}


def local_correlation(first: Tensor, second: Tensor, window: int) -> Tensor:
    """Mean squared correlation of two images over windows around every pixel.

    1 where one is an affine function of the other, with either sign of the slope; windows are cut at the border, not
    filled with zeros, and a flat window counts as uncorrelated.

    Args:
        first: (N, 1, h, w).
        second: (N, 1, h, w).
        window: side of the window, odd.

    Returns:
        Scalar in [0, 1].
    """
    # moments of values far from zero lose their last digits in float32
    first, second = (image - image.mean((2, 3), keepdim=True) for image in (first, second))
    moments = torch.cat((first, second, first * first, second * second, first * second), dim=1)
    mean_a, mean_b, square_a, square_b, product = _window_means(moments, window).unbind(1)
    covariance = product - mean_a * mean_b
    variance_a = (square_a - mean_a**2).clamp_min(SMALLEST_VARIANCE)
    variance_b = (square_b - mean_b**2).clamp_min(SMALLEST_VARIANCE)
    return (covariance**2 / (variance_a * variance_b)).mean()


def _window_means(images: Tensor, window: int) -> Tensor:
    half = window // 2
    rows = F.avg_pool2d(images, (window, 1), stride=1, padding=(half, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, window), stride=1, padding=(0, half), count_include_pad=False)
