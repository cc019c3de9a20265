import pytest
import torch
from torch import nn

from assets.translation.cyclegan import CycleGan
from assets.translation.presets import TranslationPlan, resolved
from assets.translation.sampling import Batch
from assets.translation.settings import TranslationSettings


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _plan(**numbers: float) -> TranslationPlan:
    small = {"size": 32, "generator_width": 4, "generator_blocks": 2, "discriminator_width": 4, "batch": 2}
    return resolved(TranslationSettings.model_validate({**small, "discriminator_layers": 2, **numbers}), "cyclegan")


def _gan(**numbers: float) -> CycleGan:
    return CycleGan(_plan(**numbers), torch.Generator().manual_seed(0), torch.device("cpu"))


def _batch(seed: int) -> Batch:
    images = torch.rand((2, 1, 32, 32), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Batch(images, torch.ones_like(images, dtype=torch.bool))


def _parameters(*networks: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for network in networks for parameter in network.parameters()]


def _equal(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def _step(gan: CycleGan, *, autocast: bool = False) -> dict[str, torch.Tensor]:
    return gan.step(_batch(1), _batch(2), torch.Generator().manual_seed(3), autocast=autocast)


class Same(nn.Module):
    """The identity, with a parameter for the optimizer."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight


class Undecided(nn.Module):
    """A discriminator that says 0.5 everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((), 0.5))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight.expand(len(x), 1, 3, 3) + 0 * x.sum()


def test_one_step_updates_every_network_once() -> None:
    gan = _gan()
    before = {name: _parameters(network) for name, network in gan.networks.items()}
    _step(gan)
    assert not any(_equal(before[name], _parameters(network)) for name, network in gan.networks.items())
    for optimizer in gan.optimizers.values():
        assert {int(moments["step"]) for moments in optimizer.state.values()} == {1}


def test_generators_step_leaves_discriminators_bit_identical() -> None:
    gan = _gan()
    gan.optimizers["discriminators"].step = lambda closure=None: None  # type: ignore[method-assign]
    judges = _parameters(gan.judge_normal, gan.judge_abnormal)
    _step(gan)
    assert _equal(judges, _parameters(gan.judge_normal, gan.judge_abnormal))


def test_discriminators_step_leaves_generators_bit_identical() -> None:
    gan = _gan()
    gan.optimizers["generators"].step = lambda closure=None: None  # type: ignore[method-assign]
    generators = _parameters(gan.to_normal, gan.to_abnormal)
    _step(gan)
    assert _equal(generators, _parameters(gan.to_normal, gan.to_abnormal))


def test_generators_move_before_discriminators_judge() -> None:
    # The discriminator's fakes come from the forward pass of the generators' update.
    gan, order = _gan(), []
    for name, optimizer in gan.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: order.append(name))
    _step(gan)
    assert order == ["generators", "discriminators"]


def test_identity_generators_and_undecided_judges_have_the_derived_losses() -> None:
    # G(x) = x: cycle and identity losses are exactly 0. D = 0.5: (0.5 - 1)^2 = 0.25 and (0.25 + 0.25) / 2 = 0.25.
    gan = _gan()
    gan.to_normal, gan.to_abnormal = Same(), Same()  # type: ignore[assignment]
    gan.judge_normal, gan.judge_abnormal = Undecided(), Undecided()  # type: ignore[assignment]
    losses = {name: value.item() for name, value in _step(gan).items()}
    assert losses == {
        "to_normal_adversarial": 0.25,
        "to_normal_cycle": 0.0,
        "to_normal_identity": 0.0,
        "to_abnormal_adversarial": 0.25,
        "to_abnormal_cycle": 0.0,
        "to_abnormal_identity": 0.0,
        "judge_normal": 0.25,
        "judge_abnormal": 0.25,
        # The networks that the optimizers hold took no part.
        "gradient_generators": 0.0,
        "gradient_discriminators": 0.0,
    }


def test_convention_to_normal_maps_abnormal_and_keeps_normal() -> None:
    # to_normal halves its input, to_abnormal is the identity: |a / 2 - a| and |b / 2 - b|.
    gan = _gan()
    halve = Same()
    with torch.no_grad():
        halve.weight.fill_(0.5)
    gan.to_normal, gan.to_abnormal = halve, Same()  # type: ignore[assignment]
    losses = _step(gan)
    assert losses["to_normal_cycle"].item() == pytest.approx(_batch(1).images.abs().mean().item() / 2)
    assert losses["to_normal_identity"].item() == pytest.approx(_batch(2).images.abs().mean().item() / 2)
    assert losses["to_abnormal_identity"].item() == 0


@pytest.mark.parametrize(("cycle_weight", "identity_weight"), [(10.0, 0.5), (10.0, 0.0), (0.0, 0.5)])
def test_gradient_is_that_of_the_weighted_sum(cycle_weight: float, identity_weight: float) -> None:
    gan = _gan(cycle_weight=cycle_weight, identity_weight=identity_weight)
    a, b = _batch(1).images, _batch(2).images
    to_normal, to_abnormal = gan.to_normal, gan.to_abnormal
    fake_b, fake_a = to_normal(a), to_abnormal(b)
    total = (gan.judge_normal(fake_b) - 1).square().mean() + (gan.judge_abnormal(fake_a) - 1).square().mean()
    total = total + cycle_weight * ((to_abnormal(fake_b) - a).abs().mean() + (to_normal(fake_a) - b).abs().mean())
    same = (to_normal(b) - b).abs().mean() + (to_abnormal(a) - a).abs().mean()
    total = total + identity_weight * cycle_weight * same
    expected = torch.autograd.grad(total, list(to_normal.parameters()))
    # A bias before instance norm has no effect: its gradient is rounding noise. Errors are judged by the largest one.
    scale = max(float(gradient.abs().max()) for gradient in expected)
    _step(gan)
    for parameter, gradient in zip(to_normal.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize(("broken", "optimizer"), [("to_abnormal", "generators"), ("judge_normal", "discriminators")])
def test_gradient_that_is_not_finite_leaves_its_networks_alone(broken: str, optimizer: str) -> None:
    gan = _gan()
    before = _parameters(gan.networks[broken])
    next(gan.networks[broken].parameters()).register_hook(lambda gradient: gradient * float("nan"))  # type: ignore[no-untyped-call]
    losses = _step(gan)
    norms = {name: bool(losses[f"gradient_{name}"].isfinite()) for name in gan.optimizers}
    assert norms == {name: name != optimizer for name in gan.optimizers}
    assert _equal(before, _parameters(gan.networks[broken]))


def test_gradients_are_clipped_to_the_plans_norm() -> None:
    gan = _gan(gradient_clip=1e-3)
    assert _step(gan)["gradient_generators"] > 1e-3
    networks = (gan.to_normal, gan.to_abnormal)
    clipped = [value.grad for network in networks for value in network.parameters() if value.grad is not None]
    assert nn.utils.get_total_norm(clipped).item() == pytest.approx(1e-3, rel=1e-2)


def test_translations_are_background_outside_the_lungs() -> None:
    gan, shown = _gan(), []
    gan.judge_normal.register_forward_pre_hook(lambda _module, inputs: shown.append(inputs[0].detach()))
    abnormal = _batch(1)
    abnormal.inside[..., :16] = False
    gan.step(abnormal, _batch(2), torch.Generator().manual_seed(3), autocast=False)
    assert (shown[0][..., :16] == -1).all()
    assert (shown[0][..., 16:] != -1).any()


def test_reduced_precision_keeps_weights_and_losses_in_float32() -> None:
    gan = _gan()
    losses = _step(gan, autocast=True)
    exact = _step(_gan())
    assert all(value.dtype == torch.float32 for value in losses.values())
    assert {parameter.dtype for parameter in gan.to_normal.parameters()} == {torch.float32}
    assert losses["to_normal_cycle"].item() == pytest.approx(exact["to_normal_cycle"].item(), rel=0.02)
