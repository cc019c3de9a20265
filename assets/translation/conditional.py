"""The discriminator of Pix2Pix, which sees what was translated beside the translation."""

from torch import nn

from assets.translation.discriminators import PatchDiscriminator


class ConditionalDiscriminator(PatchDiscriminator):
    """PatchGAN over two channels, (N, 2, H, W): the source and the image that is real or translated from it.

    Source: Isola et al. 2017, arXiv:1611.07004, section 3; instance norm in place of batch norm, as in the U-Net.

    Args:
        width: channels after the first convolution.
        layers: stride-2 convolutions.
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__(width, layers)
        self.body[0] = nn.Conv2d(2, width, 4, stride=2, padding=1)
