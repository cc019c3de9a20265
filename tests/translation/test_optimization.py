import pytest
import torch
from torch import nn

from assets.translation.optimization import frozen, rate_factor


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
