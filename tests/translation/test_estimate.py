from typing import get_args

import pytest
from safetensors.torch import save

from assets.translation.arms import Gan
from assets.translation.estimate import checkpoint_bytes
from tests.translation.tiny_training import Seen, State, small, trained


@pytest.mark.parametrize("method", get_args(Gan))
def test_a_checkpoint_is_as_large_as_estimated(method: Gan) -> None:
    settings = small(steps=3, pool_size=2, generator_width=8, ema_decay=0.9, patience=5, check_every=1)
    states: list[State] = []
    trained(method, settings, watch=Seen(), checkpoint=states.append)
    size, rest = len(save(states[-1])), 2**20
    assert size <= checkpoint_bytes(method, settings)
    # But for names, history and measurements it is exact.
    tensors = sum(value.numel() * value.element_size() for value in states[-1].values())
    assert checkpoint_bytes(method, settings) - rest == pytest.approx(tensors, rel=0.02)
