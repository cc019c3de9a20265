"""Training of a translator, whatever its method."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from assets.translation.arms import ON_PAIRS, Gan
from assets.translation.checkpoints import Record
from assets.translation.compute import Compute
from assets.translation.ending import Stopped
from assets.translation.feed import Sampler
from assets.translation.loop import Loop, Weights
from assets.translation.presets import resolved
from assets.translation.reporting import Around
from assets.translation.settings import TranslationSettings
from assets.translation.swap import SwapGrid, swap_grid
from assets.translation.training_data import TrainingData, require_usable
from assets.translation.watch import Watch


@dataclass(frozen=True)
class Trained:
    """A trained translator.

    Attributes:
        weights: parameters of the generator from abnormal to normal, float32, on the CPU; all that translation needs.
        history: one record a window of steps: `step` (done so far), `learning_rate`, and the window's mean losses.
        checks: one record a measurement: `step` and what the watch measured.
        steps: steps done.
        stopped: why it ended.
        seconds: spent, over all resumptions.
        images_per_second: images of both domains a second of stepping.
        waited: seconds of stepping in which no batch was ready.
        back: of the generator from normal to abnormal, as it ended; None where the method has none, or where `weights`
            are those of an earlier step.
    """

    weights: Weights
    history: list[Record]
    checks: list[Record]
    steps: int
    stopped: Stopped
    seconds: float
    images_per_second: float
    waited: float
    back: Weights | None = None


def train(
    method: Gan,
    data: TrainingData,
    settings: TranslationSettings,
    seed: int,
    *,
    compute: Compute,
    reference_lungs: npt.NDArray[np.uint8] | None = None,
    watch: Watch | None = None,
    resume: Mapping[str, Tensor] | None = None,
    checkpoint: Callable[[Weights], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
    stepped: Callable[[], None] = lambda: None,
) -> Trained:
    """Train a translator from abnormal to normal images.

    Everything random at a step is drawn from (seed, step), so a float32 training that goes on from a checkpoint on the
    same machine, device and thread count gives bit-equal weights and history, unless `minutes` ends it by the clock.
    One image a domain is enough to run; a batch larger than its domain shows images repeatedly.

    Args:
        method: what to train.
        data: images of both domains, and pairs for a method that needs them.
        settings: settings of the stage.
        seed: seed of weights, order, augmentation, pool and patches.
        compute: where to train and in which arithmetic.
        reference_lungs: uint8 (H, H), labels of the frame's lungs; only `lung_swap` of the settings looks at them.
        watch: sees the training and measures it; what it measures also ends it early, if `patience` says so.
        resume: a state that `checkpoint` received from a training with the same arguments.
        checkpoint: receives the whole state every `checkpoint_minutes`, as a flat dictionary of CPU tensors.
        clock: seconds since any time.
        stepped: called after every step; what it raises ends the training.

    Raises:
        ValueError: the data are unusable (see `require_usable`); or lungs are to be exchanged and there are no
            `reference_lungs`; or the training is to end by its measurements and nothing measures.
        UnusableCheckpoint: `resume` is of another plan or architecture.
        TrainingStopped: a loss, gradient or weight is not finite.
    """
    plan = resolved(settings, method)
    if settings.patience and watch is None:
        raise ValueError(f"patience={settings.patience} stops by validation, but nothing measures; pass a watch")
    paired = method in ON_PAIRS
    grid = _grid(settings, plan.size, reference_lungs)
    require_usable(data, plan.size, paired=paired)
    loop = Loop(method, settings, seed, compute, Around(watch, checkpoint, clock, stepped))
    if resume is not None:
        loop.take_up(resume)
    stopped = loop.run(Sampler(data, plan, seed, paired, grid, pinned=compute.device.type == "cuda"))
    progress, spent = loop.progress, loop.progress.spent
    return Trained(
        weights=loop.final_weights(),
        history=progress.history,
        checks=progress.checks,
        steps=progress.step,
        stopped=stopped,
        seconds=spent.seconds,
        images_per_second=2 * plan.batch * progress.step / max(spent.stepping, 1e-9),
        waited=spent.waited,
        back=loop.final_back(),
    )


def _grid(settings: TranslationSettings, size: int, reference_lungs: npt.NDArray[np.uint8] | None) -> SwapGrid | None:
    if not settings.lung_swap:
        return None
    if reference_lungs is None:
        raise ValueError("lung_swap is on, but there are no reference_lungs; pass those of the frame")
    return swap_grid(reference_lungs, size)
