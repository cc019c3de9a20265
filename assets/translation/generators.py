"""The ResNet generator that CycleGAN and CUT share."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

Network = TypeVar("Network", bound=nn.Module)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with instance norm, added to the input; nothing is rectified after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        changed: Tensor = x + self.body(x)
        return changed


class ResnetGenerator(nn.Module):
    """Image to image: two stride-2 convolutions down, residual blocks, two steps up, tanh.

    Source: Zhu et al. 2017, arXiv:1703.10593, appendix 7.2. One deviation: a step up is nearest-neighbour doubling
    and a 3x3 convolution in place of a transposed convolution, which prints checkerboards; the number of parameters
    is the same. Instance norm is without affine parameters and without running statistics, so evaluation mode
    changes nothing and an image's result does not depend on its batch.

    Args:
        width: channels after the first convolution.
        blocks: residual blocks, at least 2.
        residual: return clip(x + tanh(...), -1, 1) instead of tanh(...), so that a small change is easily said.
    """

    def __init__(self, width: int, blocks: int, *, residual: bool = False) -> None:
        super().__init__()
        self.residual = residual
        self.pad = nn.ReflectionPad2d(3)
        self.stem = nn.Conv2d(1, width, 7)
        self.down1 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.down2 = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(4 * width) for _ in range(blocks))
        self.up = nn.Sequential(*_step_up(4 * width, 2 * width), *_step_up(2 * width, width))
        self.head_pad = nn.ReflectionPad2d(3)
        self.head = nn.Conv2d(width, 1, 7)
        # CUT contrasts the first and the fifth block's output; shorter networks give their last block's.
        self._deepest = min(5, blocks)
        self.feature_channels = (1, 2 * width, 4 * width, 4 * width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Translate (N, 1, H, W) in [-1, 1], H and W multiples of 4, to the same shape and range."""
        return self.forward_with_features(x)[0]

    def features(self, x: Tensor) -> list[Tensor]:
        """Encoder features of (N, 1, H, W) that CUT contrasts, from pixels to blocks.

        Padded input (1, H+6, W+6), the two stride-2 convolutions' outputs (2w, H/2, W/2) and (4w, H/4, W/4), and the
        outputs of the first and the fifth (or last) residual block; arXiv:2007.15651, appendix C.
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
        change = torch.tanh(self.head(self.head_pad(self.up(hidden))))
        translated = (x + change).clamp(-1, 1) if self.residual else change
        return translated, [*found[:4], found[2 + self._deepest]]

    def _encode(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        padded = self.pad(x)
        first = self.down1(_normalized(self.stem(padded)))
        second = self.down2(_normalized(first))
        return [padded, first, second], _normalized(second)


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


def _normalized(x: Tensor) -> Tensor:
    return nn.functional.relu(nn.functional.instance_norm(x))


def _step_up(channels_in: int, channels_out: int) -> list[nn.Module]:
    return [
        nn.Upsample(scale_factor=2, mode="nearest"),
        nn.ReflectionPad2d(1),
        nn.Conv2d(channels_in, channels_out, 3),
        nn.InstanceNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]
