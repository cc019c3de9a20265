"""Layers of the translators, each in the form that a CPU computes fastest; what they compute is the textbook's.

On a CPU everything flows in the order N, H, W, C in memory (channels last), for which its convolutions are made.
"""

from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

Network = TypeVar("Network", bound=nn.Module)


def instance_norm(x: Tensor) -> Tensor:
    """Each channel of each image to mean 0 and variance 1; no weights, no running statistics.

    Source: Ulyanov et al. 2016, arXiv:1607.08022. Over a batch of one image batch norm is the same. torch's own
    instance norm copies images in the order N, H, W, C, and in torch 2.13 on the CPU its gradient is wrong for a batch
    of one when the gradient that it is given lies in that order.

    Args:
        x: (N, C, H, W) with at least two pixels.
    """
    if x.device.type != "cpu":
        return functional.instance_norm(x)
    images = [functional.batch_norm(image, None, None, training=True) for image in x.chunk(len(x))]
    return images[0] if len(images) == 1 else torch.cat(images)


class InstanceNorm(nn.InstanceNorm2d):
    """`instance_norm` as a module."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        return instance_norm(input)


def channels_last(x: Tensor) -> Tensor:
    """The same images; on a CPU in the order N, H, W, C in memory, which what follows keeps."""
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x


def placed(network: Network, device: torch.device) -> Network:
    """A network on its device; on a CPU with its kernels channels last, or they would be turned round at each step."""
    network.to(device)
    if device.type == "cpu":
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def padded(x: Tensor, pixels: int) -> Tensor:
    """Images (N, C, H, W) with so many reflected pixels on every side."""
    return functional.pad(x, (pixels,) * 4, mode="reflect")


def convolve_one(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """A convolution of images with one channel: its rows become channels, so that there is enough to vectorize.

    Args:
        x: (N, 1, H, W), already padded.
        layer: kernel (D, 1, k, k) and bias; stride and padding of its own are not looked at.

    Returns:
        (N, D, H - k + 1, W - k + 1), channels last.
    """
    if x.device.type != "cpu":
        return functional.conv2d(x, layer.weight, layer.bias)
    size = layer.weight.shape[2]
    height = x.shape[2] - size + 1
    rows = torch.cat([x[:, :, row : row + height] for row in range(size)], 1)
    return functional.conv2d(channels_last(rows), layer.weight.transpose(1, 2), layer.bias)


def convolve_to_one(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """A convolution that leaves one channel: the rows of its kernel become channels, summed afterwards.

    Args:
        x: (N, C, H, W), already padded.
        layer: kernel (1, C, k, k) and bias (1,); stride and padding of its own are not looked at.

    Returns:
        (N, 1, H - k + 1, W - k + 1).
    """
    if x.device.type != "cpu":
        return functional.conv2d(x, layer.weight, layer.bias)
    size = layer.weight.shape[2]
    height = x.shape[2] - size + 1
    rows = functional.conv2d(x, layer.weight[0].transpose(0, 1)[:, :, None])
    total = rows[:, :1, :height]
    for row in range(1, size):
        total = total + rows[:, row : row + 1, row : row + height]
    return total if layer.bias is None else total + layer.bias.view(1, 1, 1, 1)


def convolve_doubled(x: Tensor, layer: nn.Conv2d) -> Tensor:
    """Nearest-neighbour doubling, one reflected pixel around and a 3x3 convolution, without making the doubled image.

    Doubling is a transposed convolution of stride 2 with ones (2, 2), so both together are one with a 4x4 kernel: 16
    multiplications for four pixels instead of 36. The doubled image's reflected pixel repeats the last one.

    Args:
        x: (N, C, H, W).
        layer: kernel (D, C, 3, 3) and bias; padding of its own is not looked at.

    Returns:
        (N, D, 2 H, 2 W).
    """
    kernel = functional.pad(layer.weight.transpose(0, 1).flip(2, 3), (1, 1, 1, 1))
    rows = kernel[:, :, :-1] + kernel[:, :, 1:]
    spread = rows[..., :-1] + rows[..., 1:]
    around = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return functional.conv_transpose2d(around, spread, layer.bias, stride=2, padding=3)


def blurred_down(x: Tensor) -> Tensor:
    """Every other pixel under the filter [1, 2, 1] / 4 in both directions, borders reflected (Zhang 2019, 1904.11486).

    Args:
        x: (N, C, H, W), H and W even.

    Returns:
        (N, C, H / 2, W / 2).
    """
    channels = x.shape[1]
    line = torch.tensor([0.25, 0.5, 0.25], dtype=x.dtype, device=x.device)
    kernel = torch.outer(line, line).expand(channels, 1, 3, 3)
    # The filter never reaches beyond the last row and column of an even side.
    around = functional.pad(x, (1, 0, 1, 0), mode="reflect")
    return functional.conv2d(around, kernel, stride=2, groups=channels)


def blurred_up(x: Tensor) -> Tensor:
    """Doubling with the filter [1, 3, 3, 1] / 4 in both directions, borders repeated: bilinear interpolation.

    Args:
        x: (N, C, H, W).

    Returns:
        (N, C, 2 H, 2 W).
    """
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
