from itertools import pairwise

import pytest
import torch

from assets.registration.network import CELL, RegistrationNetwork, build_network, empty_network, predict_velocity
from assets.registration.settings import RegistrationSettings
from assets.registration.views import CHANNELS


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def shown(settings: RegistrationSettings, images: int = 2) -> torch.Tensor:
    """Random views (images, C, 16, 24)."""
    return torch.rand(images, CHANNELS[settings.reading], 16, 24, generator=torch.Generator().manual_seed(0))


def test_layers_are_those_of_voxelmorph() -> None:
    # VoxelMorph's default in two dimensions, one moving and one fixed channel: 109,170 parameters
    network = RegistrationNetwork(2, [16, 32, 32, 32], [32, 32, 32, 32], [32, 16, 16])
    assert count(network) == 109_170


@pytest.mark.parametrize(
    ("encoder", "decoder", "parameters"),
    [([256] * 4, [256] * 8, 8_859_650), ([64] * 4, [64] * 6, 482_178)],
)
def test_layers_are_those_of_synthmorph(encoder: list[int], decoder: list[int], parameters: int) -> None:
    # decoder entries beyond the encoder's levels are plain convolutions at full size
    network = RegistrationNetwork(2, encoder, decoder[: len(encoder)], decoder[len(encoder) :])
    assert count(network) == parameters


@pytest.mark.parametrize("reading", ["R1", "R2", "R3"])
@pytest.mark.parametrize("final", [None, [], [8, 4]])
def test_network_size(reading: str, final: list[int] | None) -> None:
    # sum over convolutions of (9 wide + 1) narrow; a cell's pixels and its two coordinates are channels
    changed = {} if final is None else {"final_features": final}
    settings = RegistrationSettings.model_validate({"reading": reading, **changed})
    down = [CHANNELS[settings.reading] * CELL**2 + 2, *settings.encoder_features]
    skips = settings.encoder_features[::-1]
    below = [skips[0], *(d + s for d, s in zip(settings.decoder_features, skips, strict=True))]
    after = [below[-1], *settings.final_features, 2]
    layers = [*pairwise(down), *zip(below, settings.decoder_features, strict=False)]
    expected = sum((9 * wide + 1) * narrow for wide, narrow in [*layers, *pairwise(after)])
    assert count(build_network(settings, torch.Generator())) == expected


def test_untrained_network_is_the_identity(each: RegistrationSettings) -> None:
    velocity = predict_velocity(build_network(each, torch.Generator().manual_seed(0)), shown(each))
    assert velocity.shape == (2, 2, 16, 24)
    assert velocity.dtype == torch.float32
    assert 0 < velocity.abs().max() < 1e-3


def test_convention_velocity_is_in_pixels_of_the_views() -> None:
    # one cell across and minus two down: 8 x 12 cells span 7 x 11 steps, 16 x 24 pixels span 15 x 23
    settings = RegistrationSettings(encoder_features=[4], decoder_features=[4], final_features=[])
    network = build_network(settings, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.velocity.weight.zero_()
        dict(network.named_parameters())["velocity.bias"].copy_(torch.tensor([1.0, -2.0]))
    expected = torch.tensor([23 / 11, -2 * 15 / 7]).view(1, 2, 1, 1).expand(2, 2, 16, 24)
    torch.testing.assert_close(predict_velocity(network, shown(settings)), expected)


def test_the_network_knows_where_it_is(tiny: RegistrationSettings) -> None:
    # convolutions alone give the same everywhere inside a constant image; positions tell left from right
    network = build_network(tiny, torch.Generator().manual_seed(0))
    velocity = predict_velocity(network, torch.full((1, CHANNELS[tiny.reading], 64, 64), 0.5))
    inside = velocity[..., 24:40, 24:40]
    assert inside.diff(dim=-1).abs().max() > 1e-3 * inside.abs().max()


def test_weights_come_from_the_generator_alone(each: RegistrationSettings) -> None:
    before = torch.get_rng_state()
    first, second, other = (build_network(each, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    empty_network(each)
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.velocity.weight, other.velocity.weight)


def test_images_of_a_batch_do_not_see_each_other(each: RegistrationSettings) -> None:
    network, views = build_network(each, torch.Generator().manual_seed(0)), shown(each, 3)
    alone = predict_velocity(network, views[1:2])
    torch.testing.assert_close(predict_velocity(network, views)[1:2], alone, atol=1e-8, rtol=1e-4)
    assert not torch.allclose(predict_velocity(network, views)[:1], alone, atol=1e-8, rtol=1e-4)
