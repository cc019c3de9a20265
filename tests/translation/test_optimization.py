import pytest
import torch
from torch import nn

from assets.translation.generators import initialized
from assets.translation.layers import placed
from assets.translation.optimization import adam, frozen, rate_factor, update
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings


# n = 100 constant and d = 100 falling steps: 1 - max(0, step + 1 - 100) / 101.
@pytest.mark.parametrize(("step", "factor"), [(0, 1.0), (99, 1.0), (100, 100 / 101), (199, 1 / 101)])
def test_rate_is_constant_then_falls_linearly_but_never_to_zero(step: int, factor: float) -> None:
    assert rate_factor(step, 200, 0.5) == pytest.approx(factor, rel=1e-12)


def test_golden_rates_to_four_digits() -> None:
    assert [round(rate_factor(step, 200, 0.5), 4) for step in (0, 99, 100, 199)] == [1, 1, 0.9901, 0.0099]


def test_decay_share_moves_the_bend() -> None:
    assert {rate_factor(step, 10, 0.0) for step in range(10)} == {1.0}
    # All ten steps fall: 10/11, 9/11, ... 1/11.
    assert [rate_factor(step, 10, 1.0) for step in range(10)] == pytest.approx([k / 11 for k in range(10, 0, -1)])


def test_frozen_network_passes_gradients_to_its_input_only_and_thaws_after_an_error() -> None:
    network, x = nn.Linear(2, 1), torch.ones(1, 2, requires_grad=True)
    with frozen([network]):
        torch.autograd.backward(network(x).sum())
    assert x.grad is not None
    assert network.weight.grad is None
    with pytest.raises(RuntimeError, match="inside"), frozen([network]):
        raise RuntimeError("inside")
    assert network.weight.requires_grad


def _with_gradients(*gradients: float) -> tuple[list[nn.Parameter], torch.optim.SGD]:
    weights = [nn.Parameter(torch.zeros(())) for _ in gradients]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = torch.tensor(gradient)
    return weights, torch.optim.SGD([*weights, nn.Parameter(torch.zeros(()))], lr=1.0)


# A gradient (3, 4) has norm 5; descent at rate 1 goes as far as the clipped norm.
@pytest.mark.parametrize(("clip", "moved"), [(0.0, 5.0), (10.0, 5.0), (1.0, 1.0), (0.5, 0.5)])
def test_update_goes_down_the_gradient_no_further_than_the_clip(clip: float, moved: float) -> None:
    weights, optimizer = _with_gradients(3.0, 4.0)
    assert update(optimizer, clip).item() == pytest.approx(5.0)
    expected = torch.tensor([-3.0, -4.0]) * moved / 5
    assert torch.allclose(torch.stack([weight.detach() for weight in weights]), expected, rtol=1e-5)


@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
def test_gradient_that_is_not_finite_leaves_weights_and_moments_alone(broken: float, clip: float) -> None:
    network = nn.Linear(2, 1)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
    torch.autograd.backward(network(torch.ones(1, 2)).sum())
    assert update(optimizer, clip).isfinite()
    weight, moment = network.weight.detach().clone(), optimizer.state[network.weight]["exp_avg"].clone()
    assert network.bias.grad is not None
    network.bias.grad.fill_(broken)
    assert not update(optimizer, clip).isfinite()
    assert torch.equal(network.weight, weight)
    assert torch.equal(optimizer.state[network.weight]["exp_avg"], moment)
    assert optimizer.state[network.weight]["step"] == 1


def test_moments_are_laid_out_as_their_weights_when_they_are_restored() -> None:
    # torch's fused step would pair each weight with another one's moments.
    def trained(*, restored: bool) -> torch.Tensor:
        layer = initialized(lambda: nn.Conv2d(3, 4, 2), torch.Generator().manual_seed(0))
        layer = placed(layer, torch.device("cpu"))
        optimizer = adam([layer], resolved(TranslationSettings(), "cut"))
        for step in range(2):
            optimizer.zero_grad()
            torch.autograd.backward(layer(torch.linspace(-1, 2, 75).view(1, 3, 5, 5) ** (step + 1)).square().mean())
            optimizer.step()
            if restored:
                state = optimizer.state_dict()
                moments = {
                    name: value.clone(memory_format=torch.contiguous_format)
                    for name, value in state["state"][0].items()
                }
                optimizer.load_state_dict({**state, "state": {**state["state"], 0: moments}})
        return layer.weight.detach()

    assert torch.equal(trained(restored=True), trained(restored=False))


def test_optimizer_without_any_gradient_has_norm_zero() -> None:
    _, optimizer = _with_gradients()
    assert update(optimizer, 0.0).item() == 0
