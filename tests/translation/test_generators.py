import pytest
import torch
from torch import nn

from assets.translation.generator import initial_generator
from assets.translation.generators import Resampling, ResidualBlock, ResnetGenerator, initialized
from assets.translation.layers import blurred_up, convolve_doubled
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from tests.benchmarks.translators_plain import BlurDown, BlurUp

WAYS: tuple[Resampling, ...] = ("nearest", "transposed", "antialiased")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _small(*, residual: bool = False) -> ResnetGenerator:
    return initialized(lambda: ResnetGenerator(4, 3, residual=residual), torch.Generator().manual_seed(0))


def _inputs(count: int = 2, side: int = 32) -> torch.Tensor:
    return torch.rand((count, 1, side, side), generator=torch.Generator().manual_seed(1)) * 2 - 1


# Parameters of the published one-channel networks: 7x7 in and out 50 w + 49 w + 1, two convolutions down and two up
# 18 w^2 + 72 w^2 + 72 w^2 + 18 w^2 + biases 2w + 4w + 2w + w, and 2 (9 (4w)^2 + 4w) a block.
@pytest.mark.parametrize("resampling", WAYS)
@pytest.mark.parametrize(("blocks", "parameters"), [(9, 11_365_633), (6, 7_825_153)])
def test_fingerprint_of_the_published_generators(blocks: int, parameters: int, resampling: Resampling) -> None:
    with torch.device("meta"):
        generator = ResnetGenerator(64, blocks, resampling=resampling)
    assert sum(parameter.numel() for parameter in generator.parameters()) == parameters


# The published CUT takes its features before the blur, where the sides are still twice as long.
@pytest.mark.parametrize(("resampling", "longer"), [("nearest", 1), ("transposed", 1), ("antialiased", 2)])
def test_feature_shapes_at_full_size(resampling: Resampling, longer: int) -> None:
    # One channel instead of 64 keeps the test fast; the channels are multiples of it.
    network = initialized(lambda: ResnetGenerator(1, 9, resampling=resampling), torch.Generator())
    assert [tuple(feature.shape[1:]) for feature in network.features(torch.zeros(1, 1, 256, 256))] == [
        (1, 262, 262),
        (2, 128 * longer, 128 * longer),
        (4, 64 * longer, 64 * longer),
        (4, 64, 64),
        (4, 64, 64),
    ]


def _written_out(network: ResnetGenerator) -> nn.Sequential:
    """The same layers one after the other, as torch has them."""

    def normalized(layer: nn.Module) -> list[nn.Module]:
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        return [layer, nn.InstanceNorm2d(layer.out_channels), nn.ReLU()]

    way = network.resampling
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), *normalized(network.stem)]
    for down in (network.down1, network.down2):
        layers += [*normalized(down), *([BlurDown(down.out_channels)] if way == "antialiased" else [])]
    layers += network.blocks
    for up in (network.up1, network.up2):
        if way == "nearest":
            assert isinstance(up, nn.Conv2d)
            unpadded = nn.Conv2d(up.in_channels, up.out_channels, 3)
            unpadded.weight, unpadded.bias = up.weight, up.bias
            layers += [nn.Upsample(scale_factor=2), nn.ReflectionPad2d(1), *normalized(unpadded)]
        else:
            layers += [*([BlurUp(up.in_channels)] if way == "antialiased" else []), *normalized(up)]
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), network.head, nn.Tanh())


@pytest.mark.parametrize("resampling", WAYS)
@pytest.mark.parametrize("side", [16, 36])
def test_values_and_gradients_are_those_of_the_layers_one_after_the_other(resampling: Resampling, side: int) -> None:
    # In float64, where rounding does not add up over the layers; `test_layers` looks at float32, layer by layer.
    network = initialized(lambda: ResnetGenerator(4, 2, resampling=resampling), torch.Generator().manual_seed(0))
    network = network.double()
    with torch.no_grad():
        # Biases and larger weights, so that every term counts.
        for parameter in network.parameters():
            parameter.add_(torch.rand(parameter.shape, generator=torch.Generator().manual_seed(7)) * 0.1)
    x = _inputs(side=side).double().requires_grad_()
    direction = torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    wanted = [x, *(value for name, value in network.named_parameters() if not _before_norm(name))]
    found = network(x), _written_out(network).double()(x)
    assert torch.allclose(found[0], found[1], rtol=1e-9, atol=1e-9)
    gradients = [torch.autograd.grad((value * direction).sum(), wanted) for value in found]
    for ours, naive in zip(*gradients, strict=True):
        assert torch.allclose(ours, naive, rtol=1e-9, atol=1e-9 * float(naive.abs().max()))


def _before_norm(name: str) -> bool:
    """Biases before instance norm have no effect: their gradients are rounding noise."""
    return name.endswith("bias") and name != "head.bias"


def test_repeated_pass_is_bit_identical() -> None:
    results = [[], []]  # type: ignore[var-annotated]
    for kept in results:
        network = _small()
        network(_inputs()).square().mean().backward()
        kept.extend(parameter.grad for parameter in network.parameters())
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_transposed_convolutions_print_what_the_others_do_not() -> None:
    # A flat image with flat kernels: every output pixel of a doubling should be alike away from the border.
    def inner(resampling: Resampling) -> torch.Tensor:
        network = ResnetGenerator(4, 2, resampling=resampling)
        with torch.no_grad():
            network.up1.weight.fill_(1.0)
        hidden = torch.ones(1, 16, 8, 8)
        match resampling:
            case "nearest":
                raised = convolve_doubled(hidden, network.up1)  # type: ignore[arg-type]
            case "transposed":
                raised = network.up1(hidden)
            case "antialiased":
                raised = network.up1(blurred_up(hidden))
        return raised[..., 2:-2, 2:-2].detach()

    assert {way: bool(inner(way).std() > 1) for way in WAYS} == {
        "nearest": False,
        "transposed": True,
        "antialiased": False,
    }


@pytest.mark.parametrize("resampling", WAYS)
@pytest.mark.parametrize("blocks", [2, 4, 5, 7])
def test_features_alone_equal_features_of_the_full_pass(blocks: int, resampling: Resampling) -> None:
    generator = initialized(lambda: ResnetGenerator(4, blocks, resampling=resampling), torch.Generator().manual_seed(0))
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
    written_out = nn.Sequential(
        *(nn.ReflectionPad2d(1), block.first, nn.InstanceNorm2d(2), nn.ReLU()),
        *(nn.ReflectionPad2d(1), block.second, nn.InstanceNorm2d(2)),
    )
    assert torch.allclose(block(x) - x, written_out(x), atol=1e-6)
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
