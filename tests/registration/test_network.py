from itertools import pairwise

import pytest
import torch

from assets.registration.network import RegistrationNetwork, build_network, network_inputs, soft_lungs
from assets.registration.settings import RegistrationSettings


def count(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


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


def test_default_network_size() -> None:
    # sum over convolutions of (9 wide + 1) narrow
    settings = RegistrationSettings()
    down = [6, *settings.encoder_features]
    skips = settings.encoder_features[::-1]
    below = [skips[0], *(d + s for d, s in zip(settings.decoder_features, skips, strict=True))]
    after = [below[-1], *settings.final_features, 2]
    layers = [*pairwise(down), *zip(below, settings.decoder_features, strict=False)]
    expected = sum((9 * wide + 1) * narrow for wide, narrow in [*layers, *pairwise(after)])
    assert count(build_network(settings, torch.Generator())) == expected


@pytest.mark.parametrize("use_lungs", [True, False])
def test_untrained_network_is_the_identity(tiny: RegistrationSettings, use_lungs: bool) -> None:
    settings = tiny.model_copy(update={"use_lungs": use_lungs})
    generator = torch.Generator().manual_seed(0)
    network = build_network(settings, generator)
    inputs = torch.rand(2, 6 if use_lungs else 4, 16, 24, generator=generator)
    velocity = network(inputs)
    assert velocity.shape == (2, 2, 16, 24)
    assert 0 < velocity.abs().max() < 1e-3


def test_weights_come_from_the_generator_alone(tiny: RegistrationSettings) -> None:
    before = torch.get_rng_state()
    first, second, other = (build_network(tiny, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[name])
    assert not torch.equal(first.velocity.weight, other.velocity.weight)


def test_images_of_a_batch_do_not_see_each_other(tiny: RegistrationSettings) -> None:
    generator = torch.Generator().manual_seed(0)
    network = build_network(tiny, generator)
    inputs = torch.rand(3, 6, 16, 16, generator=generator)
    torch.testing.assert_close(network(inputs)[1:2], network(inputs[1:2]), atol=1e-8, rtol=1e-4)


def test_convention_right_lung_is_positive() -> None:
    lungs = torch.zeros(1, 16, 16, dtype=torch.uint8)
    lungs[:, 4:12, 2:6], lungs[:, 4:12, 10:14] = 1, 2
    soft = soft_lungs(lungs)
    assert soft.shape == (1, 2, 8, 8)
    channels = network_inputs(
        torch.full((1, 1, 8, 8), 0.2), torch.full((1, 1, 8, 8), 0.4), torch.full((1, 2, 8, 8), 4.0), soft, soft
    )
    assert channels.shape == (1, 6, 8, 8)
    # 4 px in units of 16
    assert float(channels[0, 2:4].mean()) == pytest.approx(0.25)
    assert channels[0, 0, 0, 0] == pytest.approx(0.2)
    assert channels[0, 1, 0, 0] == pytest.approx(0.4)
    for channel in (4, 5):
        assert channels[0, channel, 4, :4].max() > 0.9
        assert channels[0, channel, 4, 4:].min() < -0.9


def test_lungs_may_be_left_out() -> None:
    image, none = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.zeros(2, 0, 8, 8)
    assert network_inputs(image, image, torch.zeros(2, 2, 8, 8), none, none[:1]).shape == (2, 4, 8, 8)
