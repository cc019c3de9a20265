"""The training loop that CycleGAN and CUT share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.translation.arms import Gan
from assets.translation.checkpoints import Progress, capture, restore
from assets.translation.domain import support
from assets.translation.methods import Translator, untrained
from assets.translation.optimization import rate_factor
from assets.translation.presets import TranslationPlan, resolved
from assets.translation.sampling import Batch, augmented, batch_indices, generator_for
from assets.translation.settings import TranslationSettings
from assets.translation.swap import SwapGrid, swap_grid, swapped_at_random

# A curve of about a hundred points shows a training; a kill loses at most five points' worth of steps.
_HISTORY_POINTS = 100
_LONGEST_WINDOW = 200
_WINDOWS_PER_CHECKPOINT = 5


class TrainingStopped(RuntimeError):
    """A loss is not finite.

    Attributes:
        step: the step, counted from 0.
        abnormal_rows: rows of the abnormal images in its batch.
        normal_rows: rows of the normal images in its batch.
    """

    def __init__(
        self, step: int, losses: Mapping[str, float], abnormal_rows: list[int], normal_rows: list[int]
    ) -> None:
        self.step = step
        self.abnormal_rows = abnormal_rows
        self.normal_rows = normal_rows
        values = ", ".join(f"{name}={value:.3g}" for name, value in losses.items())
        super().__init__(
            f"loss is not finite at step {step} ({values}); abnormal rows {abnormal_rows}, normal rows {normal_rows}: "
            "look at these images, or lower learning_rate, or train without reduced precision"
        )


@dataclass(frozen=True)
class Trained:
    """A trained translator.

    Attributes:
        weights: parameters of the generator from abnormal to normal, float32, on the CPU; all that translation needs.
        history: one record a window of steps: `step` (done so far), `learning_rate`, and the window's mean losses.
    """

    weights: dict[str, Tensor]
    history: list[dict[str, float]]


def train(
    method: Gan,
    abnormal: Tensor,
    normal: Tensor,
    settings: TranslationSettings,
    seed: int,
    *,
    device: torch.device,
    autocast: bool,
    abnormal_masks: Tensor | None = None,
    normal_masks: Tensor | None = None,
    reference_lungs: npt.NDArray[np.uint8] | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
    resume: Mapping[str, Tensor] | None = None,
    checkpoint: Callable[[dict[str, Tensor]], None] | None = None,
) -> Trained:
    """Train a translator from abnormal to normal images.

    Everything random at a step is drawn from (seed, step), so a float32 training that goes on from a checkpoint on the
    same machine, device and thread count gives bit-equal weights and history. One image a domain is enough to run;
    a batch larger than its domain shows images repeatedly.

    Args:
        method: what to train.
        abnormal: (N, 1, S, S) in [-1, 1], as `prepare` gives them, S the plan's size.
        normal: (M, 1, S, S), likewise.
        settings: settings of the stage.
        seed: seed of weights, order, augmentation, pool and patches.
        device: where to train.
        autocast: compute in bfloat16 where torch deems it safe.
        abnormal_masks: (N, 1, S, S) soft masks in [0, 1], outside which translations are -1. None: the whole canvas.
        normal_masks: (M, 1, S, S), likewise.
        reference_lungs: uint8 (H, H), labels of the frame's lungs; only `lung_swap` of the settings looks at them.
        progress: called with steps done, steps in all and the newest record of the history.
        resume: a state that `checkpoint` received from a training with the same arguments.
        checkpoint: receives the whole state now and then, as a flat dictionary of CPU tensors.

    Raises:
        ValueError: a domain is empty, has another shape, or leaves [-1, 1]; or `resume` is past the end; or lungs
            are to be exchanged and there are no `reference_lungs`.
        TrainingStopped: a loss is not finite.
    """
    plan = resolved(settings, method)
    domains = (_domain("abnormal", abnormal, abnormal_masks, plan), _domain("normal", normal, normal_masks, plan))
    grid = _grid(settings, plan, reference_lungs)
    translator = untrained(method, plan, generator_for(seed, "weights", 0), device)
    done = restore(translator, resume, device) if resume is not None else Progress()
    if done.step > plan.steps:
        raise ValueError(f"resume is at step {done.step}, but the plan has {plan.steps}; drop the checkpoint")
    window_length = max(1, min(_LONGEST_WINDOW, plan.steps // _HISTORY_POINTS))
    window: list[dict[str, float]] = []
    for step in range(done.step, plan.steps):
        window.append(_train_step(translator, domains, plan, seed, step, device, grid, autocast=autocast))
        if (step + 1) % window_length and step + 1 < plan.steps:
            continue
        done.step = step + 1
        done.history.append(_record(window, step, plan))
        window.clear()
        if progress is not None:
            progress(done.step, plan.steps, done.history[-1])
        if checkpoint is not None and len(done.history) % _WINDOWS_PER_CHECKPOINT == 0:
            checkpoint(capture(translator, done))
    weights = {name: value.detach().cpu().clone() for name, value in translator.to_normal.state_dict().items()}
    return Trained(weights, done.history)


def _grid(
    settings: TranslationSettings, plan: TranslationPlan, reference_lungs: npt.NDArray[np.uint8] | None
) -> SwapGrid | None:
    if not settings.lung_swap:
        return None
    if reference_lungs is None:
        raise ValueError("lung_swap is on, but there are no reference_lungs; pass those of the frame")
    return swap_grid(reference_lungs, plan.size)


def _domain(name: str, images: Tensor, masks: Tensor | None, plan: TranslationPlan) -> Batch:
    expected = (len(images), 1, plan.size, plan.size)
    if len(images) == 0:
        raise ValueError(f"{name}: there is no image in this domain; training needs at least one of each")
    if images.shape != expected or (masks is not None and masks.shape != expected):
        shapes = tuple(images.shape), None if masks is None else tuple(masks.shape)
        raise ValueError(
            f"{name}: images and masks are {shapes}, expected {expected}; use `prepare` with the plan's size"
        )
    if not bool(((images >= -1) & (images <= 1)).all()):
        raise ValueError(f"{name}: images leave [-1, 1] or are not finite; use `prepare`")
    inside = torch.ones_like(images, dtype=torch.bool) if masks is None else support(masks)
    return Batch(images.float(), inside)


def _train_step(
    translator: Translator,
    domains: tuple[Batch, Batch],
    plan: TranslationPlan,
    seed: int,
    step: int,
    device: torch.device,
    grid: SwapGrid | None,
    *,
    autocast: bool,
) -> dict[str, float]:
    rows = [
        batch_indices(len(domain.images), plan.batch, step, seed, name)
        for domain, name in zip(domains, ("abnormal", "normal"), strict=True)
    ]
    randomness = generator_for(seed, "step", step)
    batches = [domain.rows(chosen) for domain, chosen in zip(domains, rows, strict=True)]
    if grid is not None:
        # Before anything moves: the exchange knows the lungs only where the frame has them.
        batches = [swapped_at_random(batch, grid, randomness) for batch in batches]
    abnormal, normal = augmented(batches[0], batches[1], plan.augment_shift, plan.augment_gain, randomness)
    for optimizer in translator.optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = plan.learning_rate * rate_factor(step, plan.steps, plan.decay_share)
    named = translator.step(abnormal.to(device), normal.to(device), randomness, autocast=autocast)
    # One transfer for all losses.
    losses = dict(zip(named, torch.stack(list(named.values())).tolist(), strict=True))
    if not all(abs(value) < float("inf") for value in losses.values()):
        raise TrainingStopped(step, losses, rows[0].tolist(), rows[1].tolist())
    return losses


def _record(window: list[dict[str, float]], step: int, plan: TranslationPlan) -> dict[str, float]:
    means = {name: sum(losses[name] for losses in window) / len(window) for name in window[0]}
    rate = plan.learning_rate * rate_factor(step, plan.steps, plan.decay_share)
    return {"step": float(step + 1), "learning_rate": rate, **means}
