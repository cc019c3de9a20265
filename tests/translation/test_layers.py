import itertools
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from assets.translation.layers import (
    InstanceNorm,
    blurred_down,
    blurred_up,
    convolve_doubled,
    convolve_one,
    convolve_to_one,
    instance_norm,
    padded,
    placed,
)
from tests.benchmarks.translators_plain import BlurDown, BlurUp

sizes = st.integers(1, 3), st.integers(1, 5), st.integers(4, 11), st.integers(4, 11)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _images(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).requires_grad_()


def _alike(x: Tensor, ours: Callable[[Tensor], Tensor], naive: Callable[[Tensor], Tensor], *weights: Tensor) -> None:
    """Values and gradients agree, whichever way images and gradients lie in memory."""
    expected = naive(x)
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0))
    wanted = torch.autograd.grad((expected * direction).sum(), [x, *weights])
    layouts = (torch.contiguous_format, torch.channels_last)
    for layout, backwards in itertools.product(layouts, layouts):
        found = ours(x.contiguous(memory_format=layout))
        assert torch.allclose(found, expected, rtol=1e-5, atol=1e-5 * float(expected.detach().abs().max()))
        gradients = torch.autograd.grad(found, [x, *weights], direction.contiguous(memory_format=backwards))
        for gradient, other in zip(gradients, wanted, strict=True):
            # A bias sums what cancels: its error is that of the terms.
            assert torch.allclose(gradient, other, rtol=1e-5, atol=1e-5 * max(1.0, float(other.abs().max())))


@settings(deadline=None, max_examples=20)
@given(*sizes)
def test_instance_norm_is_torchs(count: int, channels: int, height: int, width: int) -> None:
    x = _images(count, channels, height, width)
    _alike(x, instance_norm, functional.instance_norm)
    assert torch.equal(InstanceNorm(channels)(x), instance_norm(x))


def test_instance_norm_leaves_mean_zero_and_variance_one() -> None:
    normalized = instance_norm(_images(2, 3, 16, 16) * 7 + 5)
    assert torch.allclose(normalized.mean((2, 3)), torch.zeros(2, 3), atol=1e-5)
    assert torch.allclose(normalized.var((2, 3), correction=0), torch.ones(2, 3), atol=1e-4)


@settings(deadline=None, max_examples=20)
@given(*sizes, st.sampled_from([1, 3, 4]))
def test_convolutions_with_one_channel_are_torchs(count: int, channels: int, height: int, width: int, k: int) -> None:
    into, out_of = nn.Conv2d(1, channels, k), nn.Conv2d(channels, 1, k)
    _alike(_images(count, 1, height, width), lambda x: convolve_one(x, into), into, *into.parameters())
    _alike(_images(count, channels, height, width), lambda x: convolve_to_one(x, out_of), out_of, *out_of.parameters())


@settings(deadline=None, max_examples=20)
@given(*sizes)
def test_doubling_and_convolving_at_once_is_one_after_the_other(
    count: int, channels: int, height: int, width: int
) -> None:
    layer = nn.Conv2d(channels, 3, 3)
    naive = nn.Sequential(nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), layer)
    _alike(_images(count, channels, height, width), lambda x: convolve_doubled(x, layer), naive, *layer.parameters())


@settings(deadline=None, max_examples=20)
@given(*sizes)
def test_blurs_are_those_of_the_published_code(count: int, channels: int, height: int, width: int) -> None:
    _alike(_images(count, channels, 2 * height, 2 * width), blurred_down, BlurDown(channels))
    _alike(_images(count, channels, height, width), blurred_up, BlurUp(channels))


def test_blur_by_hand() -> None:
    # An impulse in row 2: rows 2 i see it with [1, 2, 1] / 4, the kept rows above and below not at all.
    impulse = torch.zeros(1, 1, 6, 2)
    impulse[0, 0, 2] = 1.0
    assert blurred_down(impulse)[0, 0, :, 0].tolist() == [0.0, 0.5, 0.0]
    # Between rows 1 and 2: a quarter to both; row 0 reflected upwards is row 1.
    edge = torch.zeros(1, 1, 6, 2)
    edge[0, 0, 1] = 1.0
    assert blurred_down(edge)[0, 0, :, 0].tolist() == [0.5, 0.25, 0.0]
    assert blurred_up(impulse[..., :3, :])[0, 0, :, 0].tolist() == [0.0, 0.0, 0.0, 0.25, 0.75, 1.0]


def test_padding_reflects_without_repeating_the_border() -> None:
    row = torch.arange(5.0).expand(1, 1, 5, 5)
    assert padded(row, 2)[0, 0, 0].tolist() == [2, 1, 0, 1, 2, 3, 4, 3, 2]


def test_placed_network_computes_the_same() -> None:
    network, x = nn.Conv2d(3, 4, 3), _images(2, 3, 8, 8)
    before = network(x)
    assert placed(network, torch.device("cpu")) is network
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(network(x), before, atol=1e-6)


@pytest.mark.parametrize("layer", [instance_norm, blurred_down, blurred_up])
def test_reduced_precision_stays_reduced(layer: Callable[[Tensor], Tensor]) -> None:
    x = _images(2, 3, 8, 8).detach()
    reduced = layer(x.bfloat16())
    assert reduced.dtype == torch.bfloat16
    assert torch.allclose(reduced.float(), layer(x), atol=0.05)
