"""The network: one radiograph in, background and two lungs out."""

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from assets.segmenter.settings import SegmenterSettings

CLASSES = 3
"""Background, patient-right lung, patient-left lung."""

BLACK = 0.02
"""Pixels at or below this are taken for collimation or padding and do not count for an image's mean and spread."""

LEAST_SPREAD = 1e-3


def empty_network(settings: SegmenterSettings) -> nn.Module:
    """Residual U-Net of MONAI whose weights are yet to be filled in, on the CPU.

    Its first convolution halves the image, so most of the work is done at half resolution.
    """
    # imported here: loading MONAI takes seconds that a run without training or segmenting should not pay
    from monai.networks.nets.unet import UNet

    # the constructor draws weights from torch's global generator, whose state must not depend on it
    with torch.random.fork_rng(devices=[]):
        network = UNet(
            spatial_dims=2,
            in_channels=1,
            out_channels=CLASSES,
            channels=settings.channels,
            strides=[2] * (len(settings.channels) - 1),
            num_res_units=settings.residual_units,
            act="LEAKYRELU",
            norm=("INSTANCE", {"affine": True}),
        )
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    module: nn.Module = network
    return module


def build_network(settings: SegmenterSettings, generator: torch.Generator) -> nn.Module:
    """Untrained network on the CPU, its weights drawn from `generator` alone."""
    network = empty_network(settings)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network


def network_input(images: Tensor) -> Tensor:
    """Images (N, 1, H, W) in [0, 1] with zero mean and unit spread over all that is not black border.

    An exposure changed linearly, or a border added, leaves the rest of the input as it was.
    """
    inside = (images > BLACK).to(images.dtype)
    count = inside.sum((2, 3), keepdim=True).clamp_min(1)
    mean = (images * inside).sum((2, 3), keepdim=True) / count
    spread = (((images - mean) ** 2 * inside).sum((2, 3), keepdim=True) / count).sqrt()
    scaled = (images - mean) / spread.clamp_min(LEAST_SPREAD)
    return (scaled * inside - 3 * (1 - inside)).contiguous(memory_format=torch.channels_last)


def resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """Planes (N, C, H, W) on another grid of the same extent, smoothed first where it is coarser."""
    if planes.shape[-2:] == torch.Size(size):
        return planes
    return F.interpolate(planes, size=size, mode="bilinear", align_corners=False, antialias=True)


def lungs_tensor(lungs: npt.NDArray[np.uint8]) -> Tensor:
    """Labels (N, H, W) as masks (N, 2, H, W) of 0.0 and 1.0, channel 0 = patient-right."""
    labels = torch.from_numpy(lungs)
    return torch.stack((labels == 1, labels == 2), dim=1).float()
