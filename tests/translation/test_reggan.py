import pytest
import torch
from torch import nn
from torch.nn import functional

from assets.registration.fields import warp
from assets.translation.presets import resolved
from assets.translation.reggan import RegGan
from assets.translation.reggan_cyclic import CyclicRegGan
from assets.translation.reggan_registration import RegistrationUnet, initial_registration, levels
from assets.translation.sampling import Batch
from assets.translation.settings import TranslationSettings

MODES: tuple[type[RegGan], ...] = (RegGan, CyclicRegGan)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _gan(mode: type[RegGan] = RegGan, **numbers: float) -> RegGan:
    small = {"size": 32, "generator_width": 4, "generator_blocks": 2, "discriminator_width": 4, "registration_width": 4}
    settings = TranslationSettings.model_validate({**small, "discriminator_layers": 2, **numbers})
    return mode(resolved(settings, "reggan"), torch.Generator().manual_seed(0), torch.device("cpu"))


def _batch(seed: int, size: int = 32) -> Batch:
    images = torch.rand((2, 1, size, size), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Batch(images, torch.ones_like(images, dtype=torch.bool))


def _step(gan: RegGan, *, autocast: bool = False) -> dict[str, torch.Tensor]:
    return gan.step(_batch(1), _batch(2), torch.Generator().manual_seed(3), autocast=autocast)


def _without_step(gan: RegGan, *optimizers: str) -> RegGan:
    for name in optimizers:
        gan.optimizers[name].step = lambda closure=None: None  # type: ignore[method-assign]
    return gan


def _parameters(*networks: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for network in networks for parameter in network.parameters()]


def _equal(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def _judges(gan: RegGan) -> list[nn.Module]:
    return [network for name, network in gan.networks.items() if name.startswith("judge")]


def _others(gan: RegGan) -> list[nn.Module]:
    return [network for name, network in gan.networks.items() if not name.startswith("judge")]


def test_fingerprint_of_the_published_registration_network() -> None:
    with torch.device("meta"):
        network = RegistrationUnet(32, 256)
    assert sum(parameter.numel() for parameter in network.parameters()) == 2_058_018


# The paper's seven at its 256 pixels; one pixel has no spread to be normalized by.
@pytest.mark.parametrize(("size", "expected"), [(256, 7), (512, 7), (128, 6), (64, 5), (32, 4), (16, 3), (20, 2)])
def test_levels_leave_at_least_four_pixels(size: int, expected: int) -> None:
    assert levels(size) == expected
    with torch.device("meta"):
        assert len(RegistrationUnet(1, size).down) == expected


@pytest.mark.parametrize("size", [16, 20, 64])
def test_untrained_registration_is_the_identity(size: int) -> None:
    network = initial_registration(32, size, torch.Generator().manual_seed(0))
    a, b = _batch(1, size).images, _batch(2, size).images
    with torch.no_grad():
        field = network(a, b)
    assert field.shape == (2, 2, size, size)
    assert 0 < field.abs().max() < 2e-3


def test_registration_starts_from_its_generator_alone() -> None:
    state = torch.get_rng_state()
    first, second, other = (initial_registration(2, 16, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert _equal(_parameters(first), _parameters(second))
    assert not _equal(_parameters(first), _parameters(other))


def test_channel_0_of_the_field_is_x() -> None:
    # A field that says 1 in channel 0 must move the translation along its columns.
    gan = _without_step(_gan(residual=True), "generators", "registration", "discriminators")
    nn.init.zeros_(gan.register.field.weight)
    gan.register.field.bias = nn.Parameter(torch.tensor([1.0, 0.0]))
    abnormal = _batch(1)
    right = functional.pad(abnormal.images[..., 1:], (0, 1, 0, 0), mode="replicate")
    losses = gan.step(abnormal, Batch(right, abnormal.inside), torch.Generator(), autocast=False)
    assert losses["correction"].item() == pytest.approx(0, abs=1e-5)
    assert losses["displacement"].item() == pytest.approx(1)
    assert losses["smoothness"].item() == 0


@pytest.mark.parametrize("mode", MODES)
def test_generators_and_registration_move_before_the_discriminators(mode: type[RegGan]) -> None:
    gan, order = _gan(mode), []
    for name, optimizer in gan.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: order.append(name))
    _step(gan)
    assert order == ["generators", "registration", "discriminators"]


@pytest.mark.parametrize("mode", MODES)
def test_step_of_generators_and_registration_leaves_discriminators_bit_identical(mode: type[RegGan]) -> None:
    gan = _without_step(_gan(mode), "discriminators")
    before = _parameters(*_judges(gan))
    _step(gan)
    assert _equal(before, _parameters(*_judges(gan)))


@pytest.mark.parametrize("mode", MODES)
def test_step_of_discriminators_leaves_the_others_bit_identical(mode: type[RegGan]) -> None:
    gan = _without_step(_gan(mode), "generators", "registration")
    before = _parameters(*_others(gan))
    _step(gan)
    assert _equal(before, _parameters(*_others(gan)))


class Undecided(nn.Module):
    """A discriminator whose logits are 0 and 1 in turn, so that their mean is 0.5."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([0.0, 1.0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight.view(1, 1, 1, 2).expand(len(x), 1, 2, 2) + 0 * x.sum()


@pytest.mark.parametrize("mode", MODES)
def test_identity_generators_and_undecided_judges_have_the_derived_losses(mode: type[RegGan]) -> None:
    # Mean logit 0.5: (0.5 - 1)^2 = 0.25 for a generator, 0.25 + 0.25 for a discriminator, without the half.
    gan = _without_step(_gan(mode, residual=True), "discriminators")
    gan.judge_normal = Undecided()  # type: ignore[assignment]
    if isinstance(gan, CyclicRegGan):
        gan.judge_abnormal = Undecided()  # type: ignore[assignment]
    losses = {name: value.item() for name, value in _step(gan).items()}
    assert losses["adversarial"] == 0.25
    assert losses["judge_normal"] == 0.5
    difference = (_batch(1).images - _batch(2).images).abs().mean().item()
    assert losses["correction"] == pytest.approx(difference, rel=1e-3)
    assert losses["displacement"] < 2e-3
    if mode is CyclicRegGan:
        assert (losses["cycle"], losses["cycle_back"]) == (0, 0)
        assert (losses["adversarial_back"], losses["judge_abnormal"]) == (0.25, 0.5)


WEIGHTS = [
    {"correction_weight": 20.0, "smooth_weight": 10.0, "cycle_weight": 10.0},
    {"correction_weight": 0.0, "smooth_weight": 10.0, "cycle_weight": 10.0},
    {"correction_weight": 20.0, "smooth_weight": 1e6, "cycle_weight": 0.0},
]


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_those_of_the_weighted_sum(mode: type[RegGan], weights: dict[str, float]) -> None:
    gan = _without_step(_gan(mode, **weights), "generators", "registration", "discriminators")
    a, b = _batch(1).images, _batch(2).images
    fake = gan.to_normal(a)
    field = gan.register(fake, b)
    total = _adversarial(gan.judge_normal(fake))
    total = total + weights["correction_weight"] * (warp(fake, field) - b).abs().mean()
    along_x, along_y = field[..., 1:] - field[..., :-1], field[..., 1:, :] - field[..., :-1, :]
    total = total + weights["smooth_weight"] * ((along_x**2).mean() + (along_y**2).mean())
    if isinstance(gan, CyclicRegGan):
        fake_abnormal = gan.to_abnormal(b)
        total = total + _adversarial(gan.judge_abnormal(fake_abnormal))
        cycles = (gan.to_abnormal(fake) - a).abs().mean() + (gan.to_normal(fake_abnormal) - b).abs().mean()
        total = total + weights["cycle_weight"] * cycles
    for network in _others(gan):
        _, *parameters = network.parameters()
        expected = torch.autograd.grad(total, parameters, retain_graph=True)
        network.expected = expected  # type: ignore[assignment]
    _step(gan)
    for network in _others(gan):
        _, *parameters = network.parameters()
        _assert_gradients(parameters, network.expected)  # type: ignore[arg-type]


def _adversarial(logits: torch.Tensor) -> torch.Tensor:
    return ((logits.mean(dim=(2, 3)) - 1) ** 2).mean()


def _assert_gradients(parameters: list[nn.Parameter], expected: tuple[torch.Tensor, ...]) -> None:
    # A bias before instance norm has no effect: its gradient is rounding noise. Errors are judged by the largest one.
    scale = max(float(gradient.abs().max()) for gradient in expected)
    assert scale > 0
    for parameter, gradient in zip(parameters, expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("mode", MODES)
def test_discriminators_learn_from_the_sum_without_the_half(mode: type[RegGan]) -> None:
    gan = _without_step(_gan(mode), "generators", "registration", "discriminators")
    a, b = _batch(1).images, _batch(2).images
    with torch.no_grad():
        fake = gan.to_normal(a)
    real, unreal = (gan.judge_normal(images).mean(dim=(2, 3)) for images in (b, fake))
    loss = ((real - 1) ** 2).mean() + (unreal**2).mean()
    expected = torch.autograd.grad(loss, list(gan.judge_normal.parameters()))
    assert _step(gan)["judge_normal"].item() == pytest.approx(loss.item(), rel=1e-5)
    _assert_gradients(list(gan.judge_normal.parameters()), expected)


def test_only_the_mode_with_cycles_keeps_past_fakes() -> None:
    assert _gan().pools == {}
    cyclic = _gan(CyclicRegGan, pool_size=3)
    for _ in range(2):
        _step(cyclic)
    assert {name: len(pool) for name, pool in cyclic.pools.items()} == {"normal": 3, "abnormal": 3}


@pytest.mark.parametrize("mode", MODES)
def test_translations_are_background_outside_the_lungs(mode: type[RegGan]) -> None:
    gan, shown = _gan(mode), []
    gan.judge_normal.register_forward_pre_hook(lambda _module, inputs: shown.append(inputs[0].detach().clone()))
    abnormal = _batch(1)
    abnormal.inside[..., :16] = False
    gan.step(abnormal, _batch(2), torch.Generator().manual_seed(3), autocast=False)
    assert (shown[0][..., :16] == -1).all()
    assert (shown[0][..., 16:] != -1).any()


@pytest.mark.parametrize("mode", MODES)
def test_reduced_precision_keeps_weights_and_losses_in_float32(mode: type[RegGan]) -> None:
    gan = _gan(mode)
    losses, exact = _step(gan, autocast=True), _step(_gan(mode))
    assert all(value.dtype == torch.float32 for value in losses.values())
    assert {parameter.dtype for network in gan.networks.values() for parameter in network.parameters()} == {
        torch.float32
    }
    assert losses["correction"].item() == pytest.approx(exact["correction"].item(), rel=0.02)


def _misaligned(count: int, seed: int) -> tuple[Batch, Batch, torch.Tensor]:
    """Smooth textures, the same read 2 pixels further to the right or left, and the sign."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((count, 1, 16, 16), generator=generator)
    kernel = torch.tensor([1.0, 4, 6, 4, 1]) / 16
    for _ in range(2):
        noise = functional.conv2d(
            functional.pad(noise, (2, 2, 2, 2), "reflect"), (kernel[:, None] * kernel)[None, None]
        )
    images = 0.9 * noise / noise.abs().amax((1, 2, 3), keepdim=True)
    sign = torch.randint(0, 2, (count, 1, 1, 1), generator=generator) * 2.0 - 1
    shifted = warp(images, 2 * sign * torch.tensor([1.0, 0]).view(1, 2, 1, 1).expand(count, 2, 16, 16))
    inside = torch.ones_like(images, dtype=torch.bool)
    return Batch(images, inside), Batch(shifted, inside), sign


def test_pure_misalignment_goes_to_the_field_and_not_to_the_generator() -> None:
    gan = _gan(size=16, registration_width=8, discriminator_layers=1, residual=True)
    rate, steps = 2e-3, 150
    for step in range(steps):
        for optimizer in gan.optimizers.values():
            optimizer.param_groups[0]["lr"] = rate * (1 - step / steps)
        abnormal, normal, _ = _misaligned(16, step)
        gan.step(abnormal, normal, torch.Generator(), autocast=False)
    abnormal, normal, sign = _misaligned(64, steps)
    with torch.no_grad():
        fake = gan.to_normal(abnormal.images)
        field = gan.register(fake, normal.images)
        left = (warp(fake, field) - normal.images).abs().mean()
    # Textures run out of the canvas at the sides, where nothing tells the field.
    found = field[..., 3:-3, 3:-3].mean(dim=(2, 3))
    assert (found[:, 0] - 2 * sign[:, 0, 0, 0]).abs().median() < 0.3
    assert found[:, 1].abs().median() < 0.3
    assert (fake - abnormal.images).abs().mean() < 0.1
    assert left < 0.5 * (fake - normal.images).abs().mean()
