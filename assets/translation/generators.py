"""The ResNet generator that CycleGAN and CUT share."""

from collections.abc import Callable
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from assets.translation.layers import (
    blurred_down,
    blurred_up,
    convolve_doubled,
    convolve_one,
    convolve_to_one,
    instance_norm,
    padded,
)

Resampling = Literal["nearest", "transposed", "antialiased"]
Network = TypeVar("Network", bound=nn.Module)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm, added to the input; nothing is rectified after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3)
        self.second = nn.Conv2d(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        hidden = _rectified(self.first(padded(x, 1)))
        return x + instance_norm(self.second(padded(hidden, 1)))


class ResnetGenerator(nn.Module):
    """Image to image: two steps down, residual blocks, two steps up, tanh.

    Source: Zhu et al. 2017, arXiv:1703.10593, appendix 7.2. The number of parameters is the same for all three ways of
    `resampling`. Instance norm is without affine parameters and without running statistics, so evaluation mode
    changes nothing and an image's result does not depend on its batch.

    Args:
        width: channels after the first convolution.
        blocks: residual blocks, at least 2.
        residual: return clip(x + tanh(...), -1, 1) instead of tanh(...), so that a small change is easily said.
        resampling: `transposed` is CycleGAN's published code: convolutions of stride 2 down, transposed ones up, which
            print checkerboards; `nearest` goes up by nearest-neighbour doubling and a convolution instead;
            `antialiased` is CUT's published code: convolutions of stride 1, blurred before pixels are left out and
            after they are doubled.
    """

    def __init__(self, width: int, blocks: int, *, residual: bool = False, resampling: Resampling = "nearest") -> None:
        super().__init__()
        self.residual = residual
        self.resampling = resampling
        stride = 1 if resampling == "antialiased" else 2
        self.stem = nn.Conv2d(1, width, 7)
        self.down1 = nn.Conv2d(width, 2 * width, 3, stride=stride, padding=1)
        self.down2 = nn.Conv2d(2 * width, 4 * width, 3, stride=stride, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(4 * width) for _ in range(blocks))
        self.up1 = _step_up(4 * width, resampling)
        self.up2 = _step_up(2 * width, resampling)
        self.head = nn.Conv2d(width, 1, 7)
        # CUT contrasts the first and the fifth block's output; shorter networks give their last block's.
        self._deepest = min(5, blocks)
        self.feature_channels = (1, 2 * width, 4 * width, 4 * width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Translate (N, 1, H, W) in [-1, 1], H and W multiples of 4, to the same shape and range."""
        return self.forward_with_features(x)[0]

    def features(self, x: Tensor) -> list[Tensor]:
        """Encoder features of (N, 1, H, W) that CUT contrasts, from pixels to blocks.

        Padded input (1, H+6, W+6), what the two convolutions on the way down give, and the outputs of the first and
        the fifth (or last) residual block; arXiv:2007.15651, appendix C. The convolutions give (2w, H/2, W/2) and
        (4w, H/4, W/4), before the blur with `antialiased`: (2w, H, W) and (4w, H/2, W/2).
        """
        found, hidden = self._encode(x)
        for block in self.blocks[: self._deepest]:
            hidden = block(hidden)
            found.append(hidden)
        return [*found[:4], found[-1]]

    def forward_with_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """`forward` and `features` of the same input in one pass."""
        found, hidden = self._encode(x)
        for block in self.blocks:
            hidden = block(hidden)
            found.append(hidden)
        hidden = self._raise(self._raise(hidden, self.up1), self.up2)
        change = torch.tanh(convolve_to_one(padded(hidden, 3), self.head))
        translated = (x + change).clamp(-1, 1) if self.residual else change
        return translated, [*found[:4], found[2 + self._deepest]]

    def _encode(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        around = padded(x, 3)
        first = self.down1(_rectified(convolve_one(around, self.stem)))
        second = self.down2(self._lower(first))
        return [around, first, second], self._lower(second)

    def _lower(self, convolved: Tensor) -> Tensor:
        hidden = _rectified(convolved)
        return blurred_down(hidden) if self.resampling == "antialiased" else hidden

    def _raise(self, hidden: Tensor, layer: nn.Module) -> Tensor:
        if isinstance(layer, nn.Conv2d) and self.resampling == "nearest":
            return _rectified(convolve_doubled(hidden, layer))
        return _rectified(layer(blurred_up(hidden) if self.resampling == "antialiased" else hidden))


def initialized(build: Callable[[], Network], generator: torch.Generator) -> Network:
    """A network whose weights are drawn from N(0, 0.02) and whose biases are zero.

    Source: arXiv:1703.10593, appendix 7.1. torch's global random state is neither read nor advanced.

    Args:
        build: makes the network, for example `lambda: ResnetGenerator(64, 9)`.
        generator: source of the weights, on the CPU.
    """
    with torch.device("meta"):
        network = build()
    network.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
            else:
                parameter.normal_(0.0, 0.02, generator=generator)
    return network


def _rectified(x: Tensor) -> Tensor:
    return functional.relu_(instance_norm(x))


def _step_up(channels: int, resampling: Resampling) -> nn.Conv2d | nn.ConvTranspose2d:
    if resampling == "transposed":
        return nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
    return nn.Conv2d(channels, channels // 2, 3, padding=1)
