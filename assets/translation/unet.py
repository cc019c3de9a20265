"""The U-Net generator of Pix2Pix."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from assets.translation.layers import instance_norm

DEEPEST = 8
SLOPE = 0.2


class UnetGenerator(nn.Module):
    """Image to image: 4x4 convolutions of stride 2 down to the bottleneck, transposed ones up, skips between, tanh.

    Source: Isola et al. 2017, arXiv:1611.07004, section 6.1.1. One deviation: instance norm without affine parameters
    in place of batch norm, whose running statistics make evaluation another network than training. As there, the
    first and the innermost convolution are not normalized, and only the last layer has a bias. Smaller images have
    fewer levels: the innermost 512-channel ones fall away, and dropout with them.

    Args:
        width: channels after the first convolution; they double up to eight times that.
        size: side of the images in pixels, a multiple of 4.
        dropout: probability that a value of the innermost full-width decoder blocks is dropped while training.
        residual: return clip(x + tanh(...), -1, 1) instead of tanh(...), so that a small change is easily said.
    """

    def __init__(self, width: int, size: int, *, dropout: float = 0.0, residual: bool = False) -> None:
        super().__init__()
        self.dropout = dropout
        self.residual = residual
        widths = [width * min(2**level, 8) for level in range(depth(size))]
        self.down = nn.ModuleList(
            nn.Conv2d(wide, narrow, 4, stride=2, padding=1, bias=False) for wide, narrow in pairwise([1, *widths])
        )
        # All but the innermost read a skip beside what comes from below.
        below = [widths[-1], *(2 * channels for channels in widths[-2:0:-1])]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False)
            for wide, narrow in zip(below, widths[-2::-1], strict=True)
        )
        self.head = nn.ConvTranspose2d(2 * width, 1, 4, stride=2, padding=1)
        self._dropped = range(1, len(widths) - 4)

    def forward(self, x: Tensor, randomness: torch.Generator | None = None) -> Tensor:
        """Translate (N, 1, size, size) in [-1, 1] to the same shape and range.

        Args:
            x: images.
            randomness: source of the dropped values, on the CPU; None drops nothing.
        """
        skips, hidden = self._encode(x)
        for place, up in enumerate(self.up):
            hidden = instance_norm(up(functional.relu(hidden)))
            if randomness is not None and place in self._dropped:
                hidden = dropped(hidden, self.dropout, randomness)
            hidden = torch.cat([skips.pop(), hidden], dim=1)
        change = torch.tanh(self.head(functional.relu(hidden)))
        return (x + change).clamp(-1, 1) if self.residual else change

    def _encode(self, x: Tensor) -> tuple[list[Tensor], Tensor]:
        first, *middle, innermost = self.down
        skips = [first(x)]
        for down in middle:
            skips.append(instance_norm(down(functional.leaky_relu(skips[-1], SLOPE))))
        return skips, innermost(functional.leaky_relu(skips[-1], SLOPE))


def depth(size: int) -> int:
    """Levels of a U-Net for square images of this side: as many as halve it evenly, at most 8."""
    return max(level for level in range(DEEPEST + 1) if size % 2**level == 0)


def dropped(features: Tensor, probability: float, randomness: torch.Generator) -> Tensor:
    """Features with each value set to 0 with this probability, the others scaled so that the mean stays.

    torch's dropout reads the global random state; a training that resumes must draw what it would have drawn.
    """
    kept = torch.rand(features.shape, generator=randomness) >= probability
    return features * kept.to(features) / (1 - probability)
