import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from assets.translation.generator import build_generator, initial_generator
from assets.translation.generators import initialized
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from assets.translation.unet import UnetGenerator, depth, dropped


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _unet(size: int = 32, *, dropout: float = 0.0, residual: bool = False, width: int = 2) -> UnetGenerator:
    return initialized(
        lambda: UnetGenerator(width, size, dropout=dropout, residual=residual), torch.Generator().manual_seed(0)
    )


def _images(size: int, count: int = 2) -> torch.Tensor:
    return torch.rand((count, 1, size, size), generator=torch.Generator().manual_seed(1)) * 2 - 1


def _drops(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# The published one-channel networks have batch norm with two affine parameters a channel: going down in all layers but
# the first and the innermost, going up in all but the last. Ours has none.
@pytest.mark.parametrize(
    ("size", "published", "normalized_channels"),
    [
        (256, 54_407_809, 128 + 256 + 4 * 512 + 4 * 512 + 256 + 128 + 64),
        (128, 41_822_849, 128 + 256 + 3 * 512 + 3 * 512 + 256 + 128 + 64),
    ],
)
def test_fingerprint_of_the_published_networks(size: int, published: int, normalized_channels: int) -> None:
    with torch.device("meta"):
        network = UnetGenerator(64, size)
    assert sum(parameter.numel() for parameter in network.parameters()) == published - 2 * normalized_channels


@settings(deadline=None)
@given(size=st.integers(1, 600).map(lambda quarter: 4 * quarter))
def test_depth_halves_the_side_evenly_and_as_often_as_it_can(size: int) -> None:
    found = depth(size)
    assert size % 2**found == 0
    assert found == 8 or size % 2 ** (found + 1) != 0


def _naive(network: UnetGenerator, x: torch.Tensor, level: int = 0) -> torch.Tensor:
    """The paper's network from the outside in: what a level adds below its input, without the outermost tanh."""
    levels = len(network.down)
    inner = x if level == 0 else torch.where(x > 0, x, 0.2 * x)
    inner = functional.conv2d(inner, network.get_parameter(f"down.{level}.weight"), stride=2, padding=1)
    if level not in (0, levels - 1):
        inner = _standardized(inner)
    below = inner if level == levels - 1 else torch.cat([inner, _naive(network, inner, level + 1)], dim=1)
    if level == 0:
        weight, bias = network.head.weight, network.head.bias
        return functional.conv_transpose2d(below.clamp(min=0), weight, bias, stride=2, padding=1)
    weight = network.get_parameter(f"up.{levels - 1 - level}.weight")
    return _standardized(functional.conv_transpose2d(below.clamp(min=0), weight, stride=2, padding=1))


def _standardized(x: torch.Tensor) -> torch.Tensor:
    mean = x.mean(dim=(2, 3), keepdim=True)
    return (x - mean) / (x.var(dim=(2, 3), keepdim=True, unbiased=False) + 1e-5).sqrt()


@pytest.mark.parametrize("size", [16, 20, 64])
def test_equals_a_naive_rendering_of_the_paper(size: int) -> None:
    network, x = _unet(size), _images(size)
    assert torch.allclose(network(x), torch.tanh(_naive(network, x)), atol=1e-5)


@pytest.mark.parametrize("residual", [False, True])
def test_translations_have_the_shape_and_range_of_images(residual: bool) -> None:
    translated = _unet(24, residual=residual)(_images(24))
    assert translated.shape == (2, 1, 24, 24)
    assert translated.abs().max() <= 1


def test_evaluation_mode_and_the_batch_change_nothing() -> None:
    network, x = _unet(64, dropout=0.5), _images(64)
    together = network(x)
    assert torch.equal(network.eval()(x), together)
    assert torch.allclose(network(x[:1]), together[:1], atol=1e-6)


def test_dropout_is_a_function_of_its_generator_alone() -> None:
    network, x = _unet(64, dropout=0.5), _images(64)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = network(x, _drops(1))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(network(x, _drops(1)), first)
    assert not torch.equal(network(x, _drops(2)), first)


def test_without_a_generator_or_without_dropout_nothing_is_dropped() -> None:
    x = _images(64)
    plain = _unet(64)(x)
    assert torch.equal(_unet(64, dropout=0.5)(x), plain)
    assert torch.equal(_unet(64)(x, _drops(1)), plain)


# Three full-width blocks next to the innermost at 256, one fewer for each level less.
@pytest.mark.parametrize(("size", "blocks"), [(256, 3), (128, 2), (64, 1), (32, 0), (16, 0)])
def test_only_full_width_blocks_next_to_the_innermost_drop(size: int, blocks: int) -> None:
    network, x = _unet(size, dropout=0.5, width=1), _images(size, 1)
    drops = _drops(1)
    network(x, drops)
    # Their output has 8 channels and 4, 8, 16 pixels a side.
    expected = _drops(1)
    for level in range(blocks):
        torch.rand((1, 8, 4 * 2**level, 4 * 2**level), generator=expected)
    assert torch.equal(drops.get_state(), expected.get_state())


@settings(deadline=None, max_examples=20)
@given(probability=st.floats(0, 0.9), seed=st.integers(0, 1000))
def test_dropped_values_are_zero_and_the_others_keep_the_mean(probability: float, seed: int) -> None:
    found = dropped(torch.ones(1, 1, 100, 100), probability, _drops(seed))
    kept = found[found != 0]
    assert torch.allclose(kept, torch.full_like(kept, 1 / (1 - probability)))
    # 10,000 draws: five standard errors.
    error = 5 * (probability * (1 - probability) / 10_000) ** 0.5
    assert abs(len(kept) / 10_000 - (1 - probability)) <= error


def test_plan_decides_the_architecture() -> None:
    plan = resolved(TranslationSettings(size=64, generator_width=3, dropout=0.25, residual=True), "pix2pix")
    network = build_generator(plan)
    assert isinstance(network, UnetGenerator)
    assert (network.dropout, network.residual, len(network.down)) == (0.25, True, 6)
    assert network.head.weight.shape == (6, 1, 4, 4)


def test_residual_network_starts_as_the_identity() -> None:
    plan = resolved(TranslationSettings(size=32, generator_width=2, residual=True), "pix2pix")
    assert torch.equal(initial_generator(plan, torch.Generator().manual_seed(0))(_images(32)), _images(32))
