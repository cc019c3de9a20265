import numpy as np
import pytest
import torch
from torch import Tensor

from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.peers.training import (
    PeerTrainingStopped,
    boxed_image,
    build_peer,
    check_size,
    empty_peer,
    shown_image,
    shown_pair,
    train,
)
from assets.registration.network import RegistrationNetwork


def test_the_papers_widths_give_the_papers_number_of_weights() -> None:
    # VoxelMorph's torch network in two dimensions, one channel each: counted on its released code
    settings = PeerSettings(
        encoder_features=[16, 32, 32, 32], decoder_features=[32, 32, 32, 32], final_features=[32, 16, 16]
    )
    assert sum(weight.numel() for weight in empty_peer(settings).parameters()) == 109_170


def test_an_untrained_peer_is_the_identity(tiny: PeerSettings) -> None:
    network = build_peer(tiny, torch.Generator().manual_seed(0))
    pair = torch.rand(3, 2, 16, 16, generator=torch.Generator().manual_seed(1))
    assert float(network(pair).detach().abs().max()) < 1e-3


def test_weights_come_from_the_generator_alone(tiny: PeerSettings) -> None:
    before = torch.get_rng_state()
    first, second, other = (build_peer(tiny, torch.Generator().manual_seed(seed)).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["encoder.0.weight"], other["encoder.0.weight"])
    assert torch.equal(torch.get_rng_state(), before)


def test_a_peer_sees_its_image_stretched_on_the_half_grid() -> None:
    ramp = np.tile(np.linspace(0.2, 0.6, 16, dtype=np.float32), (12, 1))
    shown = shown_image(ramp)
    assert shown.shape == (1, 1, 6, 8)
    # corner pixels stay corner pixels; (1 2 1) smoothing moves the ends of a ramp by a quarter step of 1 / 15
    np.testing.assert_allclose(shown[0, 0, 3, [0, -1]], [0.25 / 15, 1 - 0.25 / 15], atol=1e-6)
    np.testing.assert_allclose(shown, shown_image(0.1 + 0.5 * ramp), atol=1e-6)
    assert shown_image(np.full((8, 8), 0.3, np.float32)).abs().max() == 0


def test_moving_comes_before_fixed() -> None:
    pair = shown_pair(torch.zeros(3, 1, 8, 8), torch.ones(1, 1, 8, 8))
    assert pair.shape == (3, 2, 8, 8)
    assert pair[:, 0].max() == 0
    assert pair[:, 1].min() == 1


def test_the_box_brings_a_moved_copy_back(reference: Case) -> None:
    moved = Case(np.roll(reference.image, (2, -1), (0, 1)), np.roll(reference.lungs, (2, -1), (0, 1)))
    inside = (slice(3, -3), slice(3, -3))
    np.testing.assert_allclose(boxed_image(moved, reference)[inside], reference.image[inside], atol=1e-6)


@pytest.mark.parametrize("shape", [(8, 16, 16), (20, 16), (0, 16)])
def test_sizes_that_cannot_be_halved_are_named(tiny: PeerSettings, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"chosen has shape .* multiples of 8"):
        check_size("chosen", shape, tiny)


def squared_distance(network: RegistrationNetwork, generator: torch.Generator) -> dict[str, Tensor]:
    """Objective that asks for a velocity of half a pixel to the right."""
    velocity = network(torch.rand(2, 2, 8, 8, generator=generator))
    loss = (velocity[:, 0] - 0.5).square().mean() + velocity[:, 1].square().mean()
    return {"loss": loss, "distance": loss.sqrt()}


def test_training_minimizes_its_objective_and_tells_every_step(tiny: PeerSettings) -> None:
    told: list[tuple[int, dict[str, float]]] = []
    fitted = train(
        squared_distance,
        tiny.model_copy(update={"steps": 60, "learning_rate": 1e-2}),
        lambda step, terms: told.append((step, terms)),
    )
    assert told == list(enumerate(fitted.history))
    assert fitted.history[0] == pytest.approx({"step": 0.0, "loss": 0.25, "distance": 0.5}, abs=1e-3)
    assert fitted.history[-1]["loss"] < 0.025


def test_the_state_is_a_contiguous_copy(tiny: PeerSettings) -> None:
    state = train(squared_distance, tiny).state
    assert all(value.dtype == torch.float32 and value.is_contiguous() for value in state.values())
    assert not any(value.requires_grad for value in state.values())


def test_the_step_size_falls_to_zero(tiny: PeerSettings) -> None:
    # Adam's first steps are as long as its rate: with one step the weights move by it, at half of two by half
    once = train(squared_distance, tiny.model_copy(update={"steps": 1})).state["velocity.bias"]
    twice = train(squared_distance, tiny.model_copy(update={"steps": 2})).state["velocity.bias"]
    assert float(once[0]) == pytest.approx(tiny.learning_rate, rel=1e-3)
    assert float(twice[0]) == pytest.approx(1.5 * tiny.learning_rate, rel=1e-2)


def test_a_loss_that_is_no_number_stops_the_training(tiny: PeerSettings) -> None:
    calls = 0

    def breaking(network: RegistrationNetwork, generator: torch.Generator) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        terms = squared_distance(network, generator)
        return {**terms, "loss": terms["loss"] / (3 - calls)}

    with pytest.raises(PeerTrainingStopped, match="stopped at step 2: the loss is not finite") as stopped:
        train(breaking, tiny)
    assert stopped.value.step == 2
