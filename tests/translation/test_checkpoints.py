import torch

from assets.translation.checkpoints import Progress, capture, restore
from assets.translation.methods import untrained
from assets.translation.presets import resolved
from tests.translation.tiny_training import CPU, small


def test_measurements_may_come_and_go_between_checks() -> None:
    translator = untrained("cut", resolved(small(), "cut"), torch.Generator().manual_seed(0), CPU.device)
    checks = [{"step": 2.0, "kid": 0.5}, {"step": 4.0}, {"step": 6.0, "validation_auc": 0.75}]
    state = capture(translator, Progress(step=6, checks=checks))
    assert restore(translator, state, CPU.device).checks == checks
