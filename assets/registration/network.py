"""The network: views of one radiograph in, a velocity field out."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import skip_init

from assets.registration.fields import identity_grid, resize_displacement
from assets.registration.settings import RegistrationSettings
from assets.registration.views import CHANNELS

SLOPE = 0.2
"""Negative slope of the leaky rectifiers (VoxelMorph)."""

CELL = 2
"""Side of the cells that the network of IT-DPR sees as one place."""

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
    """Untrained network of IT-DPR on the CPU, its weights drawn from `generator` alone."""
    return draw_weights(empty_network(settings), generator)


def draw_weights(network: RegistrationNetwork, generator: torch.Generator) -> RegistrationNetwork:
    """The network with fresh weights: He's spread, no bias, and a velocity that is almost zero."""
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
    """Network of IT-DPR whose weights are yet to be filled in."""
    widths = settings.encoder_features, settings.decoder_features, settings.final_features
    network = RegistrationNetwork(CHANNELS[settings.reading] * CELL**2 + 2, *widths)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def predict_velocity(network: RegistrationNetwork, views: Tensor) -> Tensor:
    """Velocity (N, 2, h, w), pixels of the half grid, from views (N, C, h, w) on it.

    The network works on cells of 2 x 2 pixels, whose values become channels beside the cell's position: deformations
    are smooth, and a step costs a quarter.
    """
    cells = F.pixel_unshuffle(views, CELL)
    size = cells.shape[2], cells.shape[3]
    span = cells.new_tensor([size[1] - 1, size[0] - 1]).view(1, 2, 1, 1)
    place = (2 * identity_grid(size, cells) / span - 1).expand(len(cells), -1, -1, -1)
    channels = torch.cat((cells, place), dim=1).contiguous(memory_format=torch.channels_last)
    return resize_displacement(network(channels), (views.shape[2], views.shape[3]))


def _convolution(wide: int, narrow: int) -> nn.Conv2d:
    # skip_init: the usual constructor draws weights from torch's global generator
    layer: nn.Conv2d = skip_init(nn.Conv2d, wide, narrow, kernel_size=3, padding=1)  # type: ignore[no-untyped-call]
    return layer


def _convolutions(features: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(_convolution(wide, narrow) for wide, narrow in pairwise(features))
