"""The registration network of Reg-GAN: where a translation must be read to lie on its partner."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from assets.translation.generators import ResidualBlock
from assets.translation.layers import channels_last

DEEPEST = 7
SLOPE = 0.2
# An untrained network is the identity.
FIELD_SPREAD = 1e-5


class RegistrationUnet(nn.Module):
    """Two images to the displacement that lays the first on the second; a U-Net with residual blocks.

    Source: Kong et al. 2021, arXiv:2110.06465, and its published code: convolutions of `width`, then twice that, each
    with a leaky ReLU and a residual block, seven levels of max pooling, a bottleneck of three residual blocks, bilinear
    steps up. One deviation: images whose side is no multiple of 256 have fewer levels, because a bottleneck of a single
    pixel cannot be normalized.

    Args:
        width: channels of the first level.
        size: side of the images in pixels, a multiple of 4.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        wide = 2 * width
        skips = [width, *[wide] * (levels(size) - 1)]
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(channels, skip, 3), ResidualBlock(skip))
            for channels, skip in zip([2, *skips], skips, strict=False)
        )
        self.bottleneck = nn.Sequential(
            _convolution(skips[-1], 2 * skips[-1], 1),
            *(ResidualBlock(2 * skips[-1]) for _ in range(3)),
            _convolution(2 * skips[-1], skips[-1], 1),
        )
        above = [*[wide] * (len(skips) - 1), width]
        self.up = nn.ModuleList(
            _convolution(below + skip, out, 3)
            for below, skip, out in zip([skips[-1], *above], reversed(skips), above, strict=False)
        )
        self.refine = nn.Sequential(ResidualBlock(width), _convolution(width, width, 1))
        self.field = nn.Conv2d(width, 2, 3, padding=1)

    def forward(self, moving: Tensor, fixed: Tensor) -> Tensor:
        """Displacement (N, 2, size, size), backward map in pixels, channel 0 = x, from images (N, 1, size, size)."""
        features, skips = channels_last(torch.cat([moving, fixed], dim=1)), []
        for layer in self.down:
            skips.append(layer(features))
            features = functional.max_pool2d(skips[-1], 2)
        features = self.bottleneck(features)
        for layer in self.up:
            skip = skips.pop()
            features = functional.interpolate(features, size=skip.shape[2:], mode="bilinear", align_corners=False)
            features = layer(torch.cat([features, skip], dim=1))
        displacement: Tensor = self.field(self.refine(features))
        return displacement.float()


def levels(size: int) -> int:
    """Levels for square images of this side: at most 7, halving evenly, with at least 2 x 2 pixels left."""
    return max(level for level in range(1, DEEPEST + 1) if size % 2**level == 0 and size >= 2 ** (level + 1))


def initial_registration(width: int, size: int, weights: torch.Generator) -> RegistrationUnet:
    """A network before training: He's spread (its published code's), no bias, and a field that is almost zero.

    Args:
        width: channels of the first level.
        size: side of the images in pixels, a multiple of 4.
        weights: source of the weights, on the CPU.
    """
    with torch.device("meta"):
        network = RegistrationUnet(width, size)
    network.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            elif name.startswith("field."):
                parameter.normal_(0, FIELD_SPREAD, generator=weights)
            else:
                nn.init.kaiming_normal_(parameter, SLOPE, generator=weights)
    return network


def _convolution(channels: int, out: int, kernel: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, kernel, padding=kernel // 2), nn.LeakyReLU(SLOPE, inplace=True))
