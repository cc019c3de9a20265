"""How long a training will take, by a few of its steps on noise."""

import torch

from assets.translation.arms import Gan
from assets.translation.compute import Compute
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from assets.translation.training import train
from assets.translation.training_data import TrainingData, in_memory
from pipelines.environments import resources

STEPS = 4
# Of a training that is over before anything can be timed.
SHORTEST_SECONDS = 0.1


def training_seconds(method: Gan, settings: TranslationSettings, at_once: int) -> float:
    """How long a training would take on this machine, s.

    Args:
        method: what would be trained.
        settings: of the trainings.
        at_once: how many would run side by side.
    """
    plan = resolved(settings, method)
    accelerator = resources()["accelerator"]
    compute = Compute(
        accelerator.torch_device(at_once), accelerator.autocast(), accelerator.channels_last, accelerator.compiled
    )
    noise = 2 * torch.rand(plan.batch, 1, plan.size, plan.size, generator=torch.Generator().manual_seed(0)) - 1
    rows = torch.arange(plan.batch)
    data = TrainingData(in_memory(noise), in_memory(noise.flip(0)), torch.stack([rows, rows], dim=1))
    # The first steps of a process are slower than any that follow.
    _, seconds = (_timed(method, settings, data, compute, steps) for steps in (1, STEPS))
    return max(SHORTEST_SECONDS, plan.steps * seconds / STEPS)


def _timed(method: Gan, settings: TranslationSettings, data: TrainingData, compute: Compute, steps: int) -> float:
    short = {"steps": steps, "patience": 0, "checked_images": 0, "lung_swap": False, "minutes": None}
    return train(method, data, settings.model_copy(update=short), 0, compute=compute).seconds
