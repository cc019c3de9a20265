import copy

import pytest
import torch
from torch import nn

from assets.translation.compute import Compute, prepare_networks
from tests.translation.tiny_training import Seen, State, equal, small, trained

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_layout_changes_the_order_in_memory_and_nothing_that_is_learned() -> None:
    compute = Compute(CPU, channels_last=True)
    states: list[State] = []
    plain = trained("cut", small(steps=2))
    found = trained("cut", small(steps=2), compute=compute, checkpoint=states.append)
    for name, value in found.weights.items():
        assert value.is_contiguous()
        assert torch.allclose(value, plain.weights[name], atol=1e-4), name
    resumed = trained("cut", small(steps=2), compute=compute, resume=states[0])
    assert equal(resumed.weights, found.weights)


def test_networks_get_the_layout_that_is_asked_for() -> None:
    network = nn.Conv2d(3, 4, 3)
    prepare_networks([network], [network], Compute(CPU))
    assert network.weight.is_contiguous()
    prepare_networks([network], [network], Compute(CPU, channels_last=True))
    assert network.weight.is_contiguous(memory_format=torch.channels_last)


def test_reduced_precision_trains_and_is_close_at_first() -> None:
    watch, reduced = Seen(), Seen()
    trained("cut", small(steps=1), watch=watch)
    trained("cut", small(steps=1), watch=reduced, compute=Compute(CPU, autocast=True))
    exact, close = watch.paces[0].losses, reduced.paces[0].losses
    assert exact.keys() == close.keys()
    assert close["adversarial"] == pytest.approx(exact["adversarial"], abs=0.05)
    assert close["adversarial"] != exact["adversarial"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_compiled_networks_compute_the_same_under_the_same_names() -> None:
    plain = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.InstanceNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3))
    compiled = copy.deepcopy(plain)
    prepare_networks([compiled], [compiled], Compute(CPU, compiled=True))
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    images = torch.rand(2, 1, 16, 16)
    results = [network(images) for network in (plain, compiled)]
    for result in results:
        torch.autograd.backward(result.square().mean())
    assert torch.allclose(results[0], results[1], atol=1e-5)
    for one, other in zip(plain.parameters(), compiled.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        assert torch.allclose(one.grad, other.grad, atol=1e-5)
