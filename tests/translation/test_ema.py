import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from assets.translation.ema import AveragedWeights, kept_share


class Counting(nn.Module):
    """A weight, and a counter that is no weight."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((2,), value, dtype=torch.float64))
        self.register_buffer("seen", torch.tensor(int(value)))


@given(st.floats(0, 0.9999), st.integers(0, 10**6))
def test_share_rises_from_a_tenth_to_the_decay(decay: float, updates: int) -> None:
    share = kept_share(decay, updates)
    assert share <= decay
    assert share <= kept_share(decay, updates + 1)
    assert kept_share(decay, 0) == min(decay, 0.1)
    assert kept_share(decay, 10**9) == decay


@settings(deadline=None)
@given(st.floats(0, 0.999), st.lists(st.floats(-3, 3), min_size=1, max_size=8))
def test_average_is_the_recursion_of_its_definition(decay: float, values: list[float]) -> None:
    average, expected = AveragedWeights(Counting(1.0), decay), 1.0
    for updates, value in enumerate(values):
        average.update(Counting(value), updates)
        share = min(decay, (1 + updates) / (10 + updates))
        expected = share * expected + (1 - share) * value
    assert average.weights["weight"].tolist() == pytest.approx([expected] * 2)
    assert average.weights["seen"] == int(values[-1])


def test_average_is_no_part_of_the_network() -> None:
    network = Counting(1.0)
    average = AveragedWeights(network, 0.5)
    network.weight.data.fill_(9)
    assert average.weights["weight"].tolist() == [1, 1]
    average.update(network, 100)
    assert network.weight.tolist() == [9, 9]
    assert not average.weights["weight"].requires_grad


def test_only_an_average_of_the_same_network_is_taken_over() -> None:
    average = AveragedWeights(Counting(1.0), 0.5)
    average.restore({"weight": torch.full((2,), 4.0, dtype=torch.float64), "seen": torch.tensor(3)})
    assert average.weights["weight"].tolist() == [4, 4]
    with pytest.raises(RuntimeError, match="of another network"):
        average.restore({"weight": torch.zeros(2)})
    with pytest.raises(RuntimeError, match="another shape"):
        average.restore({"weight": torch.zeros(3), "seen": torch.tensor(3)})
