"""The PatchGAN discriminator."""

from torch import Tensor, nn

from assets.translation.layers import InstanceNorm, channels_last


class PatchDiscriminator(nn.Module):
    """One real-or-fake logit for each overlapping patch of an image.

    Source: Isola et al. 2017, arXiv:1611.07004, section 3.2.2; instance norm as in arXiv:1703.10593, appendix 7.2
    (none after the first convolution), leaky ReLU with slope 0.2. With three layers a patch has 70x70 pixels,
    with two 34x34, with one 16x16.

    Args:
        width: channels after the first convolution.
        layers: stride-2 convolutions.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        channels = [width * min(2**depth, 8) for depth in range(layers + 1)]
        body: list[nn.Module] = [nn.Conv2d(1, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        for depth in range(1, layers + 1):
            stride = 2 if depth < layers else 1
            body += [
                nn.Conv2d(channels[depth - 1], channels[depth], 4, stride=stride, padding=1),
                InstanceNorm(channels[depth]),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.body = nn.Sequential(*body, nn.Conv2d(channels[-1], 1, 4, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 1, h, w) of images (N, 1, H, W) in [-1, 1]; no sigmoid."""
        first, *others = self.body
        hidden: Tensor = channels_last(first(x))
        for layer in others:
            hidden = layer(hidden)
        return hidden
