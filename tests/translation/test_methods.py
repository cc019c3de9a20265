"""Laws that every method obeys, whatever it learns."""

import dataclasses
from typing import get_args

import pytest
import torch

from assets.translation.arms import ON_PAIRS, Gan
from assets.translation.compute import Compute
from assets.translation.inference import translate
from assets.translation.methods import Translator, untrained
from assets.translation.presets import resolved
from assets.translation.sampling import Batch
from assets.translation.settings import TranslationSettings
from assets.translation.training import train
from assets.translation.training_data import TrainingData, in_memory

METHODS: tuple[Gan, ...] = get_args(Gan)
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _settings(**numbers: float | str) -> TranslationSettings:
    small = {
        "size": 32,
        "steps": 3,
        "batch": 2,
        "generator_width": 4,
        "generator_blocks": 2,
        "discriminator_width": 4,
        "discriminator_layers": 2,
        "registration_width": 4,
        "nce_patches": 8,
        "nce_width": 8,
        "arms": ["it_pr/pca"],
    }
    return TranslationSettings.model_validate({**small, **numbers})


def _translator(method: Gan, **numbers: float | str) -> Translator:
    return untrained(method, resolved(_settings(**numbers), method), torch.Generator().manual_seed(0), CPU)


def _batch(seed: int) -> Batch:
    images = torch.rand((2, 1, 32, 32), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Batch(images, torch.ones_like(images, dtype=torch.bool))


def _step(translator: Translator) -> dict[str, torch.Tensor]:
    return translator.step(_batch(1), _batch(2), torch.Generator().manual_seed(3), autocast=False)


def _weights(translator: Translator) -> dict[str, torch.Tensor]:
    return {
        f"{owner}.{name}": value.clone()
        for owner, network in translator.networks.items()
        for name, value in network.state_dict().items()
    }


def _equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("method", METHODS)
def test_every_parameter_belongs_to_one_network_and_one_optimizer(method: Gan) -> None:
    translator = _translator(method)
    held = [id(parameter) for network in translator.networks.values() for parameter in network.parameters()]
    moved = [
        id(parameter)
        for optimizer in translator.optimizers.values()
        for group in optimizer.param_groups
        for parameter in group["params"]
    ]
    assert len(set(held)) == len(held)
    assert sorted(held) == sorted(moved)
    assert translator.networks["to_normal"] is translator.to_normal


@pytest.mark.parametrize("method", METHODS)
def test_optimizers_have_the_numbers_of_the_plan(method: Gan) -> None:
    translator = _translator(method, learning_rate=3e-4, beta1=0.4, beta2=0.9)
    for optimizer in translator.optimizers.values():
        for group in optimizer.param_groups:
            assert (group["lr"], group["betas"]) == (3e-4, (0.4, 0.9))


@pytest.mark.parametrize(
    ("change", "network"),
    [
        ({"generator_width": 5}, "to_normal"),
        ({"generator_blocks": 3}, "to_normal"),
        ({"generator": "unet"}, "to_normal"),
        ({"discriminator_width": 5}, "judge_normal"),
        ({"discriminator_layers": 1}, "judge_normal"),
        ({"registration_width": 5}, "register"),
    ],
)
@pytest.mark.parametrize("method", ["reggan", "reggan_nc"])
def test_plan_decides_the_sizes_of_its_networks_and_of_no_other(
    method: Gan, change: dict[str, float | str], network: str
) -> None:
    before, after = (
        {name: [p.shape for p in part.parameters()] for name, part in _translator(method, **given).networks.items()}
        for given in ({}, change)
    )
    # C+R has both a second time.
    moved = {name.replace("abnormal", "normal") for name in before if before[name] != after[name]}
    assert moved == {network}


@pytest.mark.parametrize("method", METHODS)
def test_a_step_updates_every_network_once_and_returns_finite_scalars(method: Gan) -> None:
    translator = _translator(method)
    before = _weights(translator)
    losses = _step(translator)
    after = _weights(translator)
    for owner in translator.networks:
        assert any(not torch.equal(before[name], after[name]) for name in before if name.startswith(f"{owner}."))
    for optimizer in translator.optimizers.values():
        assert {int(moments["step"]) for moments in optimizer.state.values()} == {1}
    assert {f"gradient_{name}" for name in translator.optimizers} <= losses.keys()
    for value in losses.values():
        assert (value.shape, value.dtype, value.requires_grad) == ((), torch.float32, False)
        assert value.isfinite()


@pytest.mark.parametrize("method", METHODS)
def test_weights_and_steps_neither_read_nor_advance_the_global_random_state(method: Gan) -> None:
    found = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        translator = _translator(method)
        _step(translator)
        assert torch.equal(torch.get_rng_state(), state)
        found.append(_weights(translator))
    assert _equal(*found)


@pytest.mark.parametrize("method", METHODS)
def test_an_image_that_is_no_number_moves_no_weight_and_shows_in_what_is_returned(method: Gan) -> None:
    translator = _translator(method)
    before = _weights(translator)
    abnormal = _batch(1)
    abnormal.images[0, 0, 5, 5] = float("nan")
    returned = translator.step(abnormal, _batch(2), torch.Generator().manual_seed(3), autocast=False)
    assert not all(value.isfinite() for value in returned.values())
    assert _equal(_weights(translator), before)


@pytest.mark.parametrize("method", METHODS)
def test_long_gradients_of_every_optimizer_are_clipped(method: Gan) -> None:
    free, clipped = _translator(method), _translator(method, gradient_clip=1e-3)
    _step(free)
    losses = _step(clipped)
    for name, optimizer in clipped.optimizers.items():
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = torch.stack([parameter.grad.norm() for parameter in parameters if parameter.grad is not None]).norm()
        assert losses[f"gradient_{name}"] > 1e-3
        assert norm.item() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_residual_generator_starts_as_the_identity(method: Gan) -> None:
    images = _batch(1).images
    assert torch.equal(_translator(method, residual=True).to_normal(images), images)


@pytest.mark.parametrize("method", ["cyclegan", "reggan", "reggan_nc"])
def test_methods_without_dropout_train_a_unet(method: Gan) -> None:
    with_dropout, without = (_translator(method, generator="unet", dropout=share) for share in (0.5, 0.0))
    _step(with_dropout)
    _step(without)
    assert _equal(_weights(with_dropout), _weights(without))


@pytest.mark.parametrize("method", METHODS)
def test_weights_of_a_trained_network_translate(method: Gan) -> None:
    translator = _translator(method)
    _step(translator)
    images = _batch(1).images
    masks = torch.zeros_like(images)
    masks[..., 8:24] = 1
    translated = translate(method, translator.to_normal.state_dict(), images, masks, _settings())
    assert translated.shape == images.shape
    assert translated.abs().max() <= 1
    assert (translated[..., :8] == -1).all()
    assert (translated[..., 24:] == -1).all()
    with torch.no_grad():
        expected = translator.to_normal(images)
    assert torch.allclose(translated[..., 8:24], expected[..., 8:24], atol=1e-6)


def _data() -> TrainingData:
    """Five images of each domain; pairs name some of them twice and some never."""
    abnormal, normal = (
        torch.rand((5, 1, 32, 32), generator=torch.Generator().manual_seed(seed)) * 2 - 1 for seed in (1, 2)
    )
    return TrainingData(in_memory(abnormal), in_memory(normal), torch.tensor([[0, 3], [0, 1], [4, 3]]))


@pytest.mark.parametrize("method", METHODS)
def test_training_learns_from_its_seed_alone_and_what_it_learned_translates(method: Gan) -> None:
    first, again, other = (train(method, _data(), _settings(), seed, compute=Compute(CPU)) for seed in (0, 0, 1))
    assert _equal(first.weights, again.weights)
    assert not _equal(first.weights, other.weights)
    columns = {name for record in first.history for name in record}
    assert {"step", "learning_rate"} < columns
    assert {f"gradient_{name}" for name in _translator(method).optimizers} < columns
    images = _batch(1).images
    translated = translate(method, first.weights, images, torch.ones_like(images), _settings())
    assert translated.shape == images.shape
    assert translated.isfinite().all()


@pytest.mark.parametrize("method", METHODS)
def test_only_methods_on_pairs_need_pairs(method: Gan) -> None:
    unpaired = dataclasses.replace(_data(), pairs=None)
    if method in ON_PAIRS:
        with pytest.raises(ValueError, match="pseudo-pairs"):
            train(method, unpaired, _settings(), 0, compute=Compute(CPU))
    else:
        assert train(method, unpaired, _settings(), 0, compute=Compute(CPU)).steps == 3
