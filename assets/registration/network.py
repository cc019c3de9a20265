"""The network: two views of one radiograph in, a velocity field out."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from assets.registration.fields import halve
from assets.registration.settings import RegistrationSettings

SLOPE = 0.2
"""Negative slope of the leaky rectifiers (VoxelMorph)."""

FIELD_UNIT = 16.0
"""The known displacement is shown to the network in this unit, half-grid pixels, so that it is about 1."""

FLOW_SPREAD = 1e-5
"""Spread of the initial weights of the velocity head: an untrained network is the identity (VoxelMorph)."""


class RegistrationNetwork(nn.Module):
    """U-Net from image channels to a velocity field on the same grid (VoxelMorph's layers, in two dimensions).

    One convolution a level, max pooling down, nearest-neighbor doubling and skip concatenation up, then plain
    convolutions and a velocity head; no normalization layers (Balakrishnan et al., TMI 2019).
    """

    def __init__(
        self,
        channels: int,
        encoder_features: Sequence[int],
        decoder_features: Sequence[int],
        final_features: Sequence[int],
    ) -> None:
        super().__init__()
        skips = list(reversed(encoder_features))
        below = [skips[0], *(d + s for d, s in zip(decoder_features, skips, strict=True))]
        self.encoder = _convolutions([channels, *encoder_features])
        self.decoder = nn.ModuleList(
            _convolution(wide, narrow) for wide, narrow in zip(below, decoder_features, strict=False)
        )
        self.final = _convolutions([below[-1], *final_features])
        self.velocity = _convolution([below[-1], *final_features][-1], 2)

    @property
    def multiple(self) -> int:
        """Rows and columns of the input must be multiples of this."""
        return int(2 ** len(self.encoder))

    def forward(self, inputs: Tensor) -> Tensor:
        """Velocity (N, 2, h, w), channel 0 = x, in pixels of the input's grid, from channels (N, C, h, w)."""
        skips, features = [], inputs
        for layer in self.encoder:
            features = F.leaky_relu(layer(features), SLOPE)
            skips.append(features)
            features = F.max_pool2d(features, 2)
        for layer in self.decoder:
            features = F.interpolate(F.leaky_relu(layer(features), SLOPE), scale_factor=2.0, mode="nearest")
            features = torch.cat((features, skips.pop()), dim=1)
        for layer in self.final:
            features = F.leaky_relu(layer(features), SLOPE)
        velocity: Tensor = self.velocity(features)
        return velocity


def build_network(settings: RegistrationSettings, generator: torch.Generator) -> RegistrationNetwork:
    """Untrained network on the CPU, its weights drawn from `generator` alone."""
    network = empty_network(settings)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif name.startswith("velocity."):
                parameter.normal_(0, FLOW_SPREAD, generator=generator)
            else:
                nn.init.kaiming_normal_(parameter, SLOPE, generator=generator)
    return network


def empty_network(settings: RegistrationSettings) -> RegistrationNetwork:
    """Network whose weights are yet to be filled in."""
    channels = 6 if settings.use_lungs else 4
    widths = settings.encoder_features, settings.decoder_features, settings.final_features
    network = RegistrationNetwork(channels, *widths)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def network_inputs(image: Tensor, prealigned: Tensor, field: Tensor, lungs: Tensor, reference: Tensor) -> Tensor:
    """Channels that the network sees, on the half grid.

    Args:
        image: (N, 1, h, w) in [0, 1], half grid.
        prealigned: the same radiographs after pre-alignment, (N, 1, h, w) in [0, 1].
        field: the pre-alignment's own displacement, (N, 2, h, w), half-grid pixels.
        lungs: soft lungs of `image`, (N, 2, h, w) in [0, 1], channel 0 = patient-right; (N, 0, h, w) to leave them out.
        reference: soft lungs of the reference, (1, 2, h, w) or (1, 0, h, w).

    Returns:
        (N, 6, h, w): image, copy, displacement, right minus left lung of image and reference; 4 channels without lungs.
    """
    channels = [image, prealigned, field / FIELD_UNIT]
    if lungs.shape[1]:
        channels += [_sides(lungs), _sides(reference).expand(len(image), -1, -1, -1)]
    return torch.cat(channels, dim=1).contiguous(memory_format=torch.channels_last)


def soft_lungs(lungs: Tensor) -> Tensor:
    """Labels (N, H, W), 0 / 1 = patient-right / 2, as soft masks on the half grid, (N, 2, H // 2, W // 2) in [0, 1]."""
    return halve(one_hot(lungs))


def one_hot(lungs: Tensor) -> Tensor:
    """Labels (N, H, W) as masks (N, 2, H, W) of 0.0 and 1.0, channel 0 = patient-right."""
    return torch.stack((lungs == 1, lungs == 2), dim=1).float()


def _sides(lungs: Tensor) -> Tensor:
    return lungs[:, :1] - lungs[:, 1:]


def _convolution(wide: int, narrow: int) -> nn.Conv2d:
    # skip_init: the usual constructor draws weights from torch's global generator
    layer: nn.Conv2d = skip_init(nn.Conv2d, wide, narrow, kernel_size=3, padding=1)  # type: ignore[no-untyped-call]
    return layer


def _convolutions(features: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(_convolution(wide, narrow) for wide, narrow in pairwise(features))
