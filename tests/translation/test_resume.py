"""A training that is cut off anywhere goes on as if it had not been, whatever the method."""

from functools import cache
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from assets.translation.arms import Gan
from assets.translation.training import Trained
from tests.translation.tiny_training import Seen, State, equal, small, trained

METHODS = get_args(Gan)
STEPS = 6
# Everything that a state can hold: average, pools, an unfinished window, measurements, the best weights so far.
FULL = {"steps": STEPS, "ema_decay": 0.9, "patience": 2, "check_every": 2, "dropout": 0.5}


class Killed(Exception):
    """The training was cut off."""


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def windows_of_three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assets.translation.reporting._HISTORY_POINTS", 2)


def watch() -> Seen:
    # Best after two of six steps, and then not better twice.
    return Seen(lambda step: {2: 0.8, 4: 0.7, 6: 0.6}[step])


@cache
def whole(method: Gan) -> tuple[Trained, list[State]]:
    """An uninterrupted training and its state after every step."""
    states: list[State] = []
    return trained(method, small(**FULL), watch=watch(), checkpoint=states.append), states


def through_bytes(state: State) -> State:
    return dict(load(save(state)))


def next_state(method: Gan, state: State) -> State:
    found: list[State] = []

    def cut_off(after: State) -> None:
        found.append(after)
        raise Killed

    with pytest.raises(Killed):
        trained(method, small(**FULL), watch=watch(), resume=through_bytes(state), checkpoint=cut_off)
    return found[0]


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=3)
@given(st.data())
def test_the_step_after_a_resumption_is_the_step_that_would_have_followed(method: Gan, data: st.DataObject) -> None:
    _, states = whole(method)
    step = data.draw(st.integers(0, STEPS - 2))
    assert equal(next_state(method, states[step]), states[step + 1])


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_training_ends_with_the_same_bits(method: Gan) -> None:
    expected, states = whole(method)
    found = trained(method, small(**FULL), watch=watch(), resume=through_bytes(states[3]))
    assert equal(found.weights, expected.weights)
    assert (found.history, found.checks) == (expected.history, expected.checks)
    assert (found.steps, found.stopped) == (expected.steps, expected.stopped) == (STEPS, "steps")


@pytest.mark.parametrize("method", METHODS)
def test_a_state_is_a_snapshot_and_holds_every_part(method: Gan) -> None:
    _, states = whole(method)
    assert [int(state["step"]) for state in states] == list(range(1, STEPS + 1))
    parts = {name.split("/")[0] for name in states[3]}
    pooled = {"pool"} if method in ("cyclegan", "reggan") else set()
    expected = {"step", "network", "adam", "average", "best", "history", "window", "checks", "spent"}
    assert parts == expected | pooled
    assert not equal(states[3], {**states[4], "step": states[3]["step"]})
    name = next(name for name in states[0] if name.startswith("network/to_normal/") and states[0][name].ndim == 4)
    assert not torch.equal(states[0][name], states[1][name])


def test_time_is_counted_over_all_resumptions() -> None:
    whole_training, states = whole("cut")
    resumed = trained("cut", small(**FULL), watch=watch(), resume=states[3])
    assert resumed.seconds > float(states[3]["spent/seconds"])
    assert resumed.images_per_second > 0
    assert whole_training.seconds >= whole_training.waited
