import pytest
import torch
from torch import nn

from assets.translation.generator import initial_generator
from assets.translation.generators import ResidualBlock, ResnetGenerator, initialized
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings


def _small(*, residual: bool = False) -> ResnetGenerator:
    return initialized(lambda: ResnetGenerator(4, 3, residual=residual), torch.Generator().manual_seed(0))


def _inputs(count: int = 2, side: int = 32) -> torch.Tensor:
    return torch.rand((count, 1, side, side), generator=torch.Generator().manual_seed(1)) * 2 - 1


# Parameters of the published one-channel networks: 7x7 in and out 50 w + 49 w + 1, two convolutions down and two up
# 18 w^2 + 72 w^2 + 72 w^2 + 18 w^2 + biases 2w + 4w + 2w + w, and 2 (9 (4w)^2 + 4w) a block.
@pytest.mark.parametrize(("blocks", "parameters"), [(9, 11_365_633), (6, 7_825_153)])
def test_fingerprint_of_the_published_generators(blocks: int, parameters: int) -> None:
    with torch.device("meta"):
        generator = ResnetGenerator(64, blocks)
    assert sum(parameter.numel() for parameter in generator.parameters()) == parameters


def test_feature_shapes_at_full_size() -> None:
    # One channel instead of 64 keeps the test fast; the channels are multiples of it.
    features = initialized(lambda: ResnetGenerator(1, 9), torch.Generator()).features(torch.zeros(1, 1, 256, 256))
    assert [tuple(feature.shape[1:]) for feature in features] == [
        (1, 262, 262),
        (2, 128, 128),
        (4, 64, 64),
        (4, 64, 64),
        (4, 64, 64),
    ]


@pytest.mark.parametrize("blocks", [2, 4, 5, 7])
def test_features_alone_equal_features_of_the_full_pass(blocks: int) -> None:
    generator = initialized(lambda: ResnetGenerator(4, blocks), torch.Generator().manual_seed(0))
    x = _inputs()
    translated, features = generator.forward_with_features(x)
    assert torch.equal(translated, generator(x))
    alone = generator.features(x)
    assert all(torch.equal(a, b) for a, b in zip(alone, features, strict=True))
    assert [feature.shape[1] for feature in alone] == list(generator.feature_channels)


def test_deepest_feature_is_the_fifth_block() -> None:
    generator = initialized(lambda: ResnetGenerator(4, 7), torch.Generator().manual_seed(0))
    recorded: list[torch.Tensor] = []
    generator.blocks[4].register_forward_hook(lambda _module, _inputs, output: recorded.append(output))
    features = generator.features(_inputs())
    assert torch.equal(features[-1], recorded[0])


@pytest.mark.parametrize("residual", [False, True])
def test_output_has_the_shape_and_range_of_the_input(residual: bool) -> None:
    x = _inputs(side=36)
    translated = _small(residual=residual)(x)
    assert translated.shape == x.shape
    assert translated.abs().max() <= 1


def test_residual_generator_adds_its_change_to_the_input() -> None:
    x = _inputs()
    assert torch.equal(_small(residual=True)(x), (x + _small()(x)).clamp(-1, 1))


def test_residual_generator_starts_as_the_identity_and_can_leave_it() -> None:
    x = _inputs()
    settings = TranslationSettings(generator_width=4, generator_blocks=3, residual=True)
    network = initial_generator(resolved(settings, "cut"), torch.Generator().manual_seed(0))
    assert torch.equal(network(x), x)
    (gradient,) = torch.autograd.grad(network(x).mean(), network.head.weight)
    assert gradient.abs().sum() > 0
    plain = resolved(settings.model_copy(update={"residual": False}), "cut")
    assert initial_generator(plain, torch.Generator().manual_seed(0)).head.weight.any()


def test_result_does_not_depend_on_batch_or_mode() -> None:
    generator, x = _small(), _inputs(3)
    together = generator(x)
    assert torch.allclose(together[1:2], generator(x[1:2]), atol=1e-6)
    assert torch.equal(generator.eval()(x), together)


def test_residual_block_adds_and_does_not_rectify() -> None:
    block = initialized(lambda: ResidualBlock(2), torch.Generator().manual_seed(0))
    x = torch.randn((1, 2, 8, 8), generator=torch.Generator().manual_seed(1))
    assert torch.allclose(block(x) - x, block.body(x), atol=1e-6)
    assert block(x).min() < 0


def test_weights_are_drawn_from_the_generator_given() -> None:
    before = torch.random.get_rng_state()
    first, second = _small(), _small()
    other = initialized(lambda: ResnetGenerator(4, 3), torch.Generator().manual_seed(1))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.stem.weight, second.stem.weight)
    assert not torch.equal(first.stem.weight, other.stem.weight)


def test_initial_weights_are_normal_with_deviation_two_hundredths_and_biases_zero() -> None:
    layer = initialized(lambda: nn.Conv2d(64, 64, 3), torch.Generator().manual_seed(0))
    assert layer.bias is not None
    assert not layer.bias.any()
    # Standard error of a deviation from 36,864 draws: 0.02 / sqrt(2 n) = 7e-5.
    assert layer.weight.std().item() == pytest.approx(0.02, abs=3e-4)
    assert layer.weight.mean().item() == pytest.approx(0.0, abs=5e-4)
