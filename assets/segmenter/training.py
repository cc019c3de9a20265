"""Training of the segmenter: deterministic, and resumable to the bit on the same machine."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from assets.segmenter.intensity import expose
from assets.segmenter.losses import outline_band, overlap_loss, weighted_entropy
from assets.segmenter.network import build_network, lungs_tensor, network_input, resized
from assets.segmenter.opacity import add_opacities
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.spatial import deform

RISE = 50
"""Steps over which the step size rises to its full value."""
WEIGHT_DECAY = 1e-4
LARGEST_GRADIENT = 1.0
AVERAGED, TRAINED, FIRST, SECOND, HISTORY = "averaged.", "trained.", "first.", "second.", "history"

Progress = Callable[[int, dict[str, float]], None]


class TrainingStopped(RuntimeError):
    """The loss is no longer a number."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss of step {step} is not finite; lower lung_segmenter.learning_rate and run again")


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        state: averaged weights, for `inference.load_network`.
        history: one entry a step: step, loss, overlap, entropy.
    """

    state: dict[str, Tensor]
    history: list[dict[str, float]]


def training_views(
    images: Tensor, lungs: Tensor, settings: SegmenterSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Random views of radiographs (N, 1, H, W) in [0, 1] with their masks (N, 2, H, W) and weights (N, H, W).

    Pixels weigh more at an outline, and where an opacity was painted over a lung: there the network has to rely on
    what a pair of lungs looks like, and few pixels teach it.
    """
    sick, opaque = add_opacities(images, lungs, settings.opacity_probability, generator)
    views, masks = deform(torch.cat((sick, opaque), dim=1), lungs, settings.deformation, generator)
    weights = 1 + settings.boundary_weight * outline_band(masks)
    weights = weights + settings.opacity_weight * views[:, 1] * masks.sum(1)
    return expose(views[:, :1], settings.exposure, generator), masks, weights


def fit(
    images: npt.NDArray[np.float32],
    lungs: npt.NDArray[np.uint8],
    settings: SegmenterSettings,
    seed: int,
    *,
    members: Sequence[int] | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
    resume: dict[str, Tensor] | None = None,
    checkpoint: Callable[[dict[str, Tensor]], None] | None = None,
) -> Fitted:
    """Train on radiographs with both lungs outlined.

    Every step draws its batch and views from a generator of its own, so a resumed training repeats an uninterrupted
    one exactly.

    Args:
        images: (N, H, W) in [0, 1].
        lungs: labels (N, H, W), 1 patient-right, 2 patient-left.
        settings: network, recipe, schedule.
        seed: of weights, batches and views.
        members: positions of those to train on, all by default; several networks share the arrays so.
        device: where to train; the CPU by default.
        progress: called after each step with its number (from 1) and losses.
        resume: state that an earlier `checkpoint` was given.
        checkpoint: receives the whole state every `checkpoint_every` steps.

    Raises:
        ValueError: no images, values that are not finite, or arrays that do not fit.
        TrainingStopped: the loss is no longer finite.
    """
    _check(images, lungs)
    device = device or torch.device("cpu")
    training = _Training(settings, seed, device)
    if resume is not None:
        training.restore(resume)
    side = (settings.working_size, settings.working_size)
    chosen = range(len(images)) if members is None else members
    pixels = torch.cat([resized(torch.from_numpy(images[at])[None, None], side) for at in chosen])
    # a byte a pixel: float masks of a large cohort would fill the memory
    masks = torch.cat([(resized(lungs_tensor(lungs[at][None]), side) > 0.5) for at in chosen])
    for step in range(len(training.history), settings.steps):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        drawn = torch.randint(0, len(pixels), (settings.batch_size,), generator=generator)
        views, targets, weights = training_views(pixels[drawn], masks[drawn].float(), settings, generator)
        entry = training.optimize(step, views.to(device), targets.to(device), weights.to(device))
        if progress is not None:
            progress(step + 1, entry)
        if checkpoint is not None and (step + 1) % settings.checkpoint_every == 0 and step + 1 < settings.steps:
            checkpoint(training.state())
    state = {
        name: value.cpu().clone(memory_format=torch.contiguous_format) for name, value in training.averaged.items()
    }
    return Fitted(state, training.history)


class _Training:
    """Network, optimizer, averaged weights and history."""

    def __init__(self, settings: SegmenterSettings, seed: int, device: torch.device) -> None:
        self.settings = settings
        self.network: nn.Module = build_network(settings, torch.Generator().manual_seed(seed)).to(device).train()
        self.optimizer = torch.optim.AdamW(self.network.parameters(), weight_decay=WEIGHT_DECAY)
        self.averaged = {name: value.detach().clone() for name, value in self.network.state_dict().items()}
        self.history: list[dict[str, float]] = []

    def optimize(self, step: int, views: Tensor, targets: Tensor, weights: Tensor) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self._rate(step)
        logits = self.network(network_input(views)).float()
        overlap = overlap_loss(logits, targets)
        entropy = weighted_entropy(logits, targets, weights)
        loss = overlap + entropy
        if not math.isfinite(float(loss.detach())):
            raise TrainingStopped(step + 1)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        self._average(step)
        values = {"loss": loss, "overlap": overlap, "entropy": entropy}
        self.history.append({"step": step + 1.0, **{name: float(value.detach()) for name, value in values.items()}})
        return self.history[-1]

    def _rate(self, step: int) -> float:
        rise = min(1.0, (step + 1) / RISE)
        return self.settings.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * step / self.settings.steps))

    @torch.no_grad()
    def _average(self, step: int) -> None:
        # early weights count little: the average is as long as the training so far allows
        decay = min(self.settings.average_decay, step / (step + 10))
        for name, value in self.network.state_dict().items():
            self.averaged[name].lerp_(value, 1 - decay)

    def state(self) -> dict[str, Tensor]:
        """All that a resumed training needs, as tensors."""
        saved = {AVERAGED + name: value for name, value in self.averaged.items()}
        saved |= {TRAINED + name: value for name, value in self.network.state_dict().items()}
        for (name, _), moments in zip(
            self.network.named_parameters(), self.optimizer.state_dict()["state"].values(), strict=True
        ):
            saved |= {FIRST + name: moments["exp_avg"], SECOND + name: moments["exp_avg_sq"]}
        saved[HISTORY] = torch.tensor([list(entry.values()) for entry in self.history], dtype=torch.float64)
        return {name: value.detach().cpu().clone() for name, value in saved.items()}

    def restore(self, saved: dict[str, Tensor]) -> None:
        """Take up a state that `state` gave."""
        names = [name for name, _ in self.network.named_parameters()]
        self.network.load_state_dict({name: saved[TRAINED + name] for name in self.averaged})
        for name, value in self.averaged.items():
            value.copy_(saved[AVERAGED + name])
        columns = ("step", "loss", "overlap", "entropy")
        self.history = [dict(zip(columns, entry, strict=True)) for entry in saved[HISTORY].tolist()]
        step = torch.tensor(float(len(self.history)))
        moments = {
            index: {"step": step.clone(), "exp_avg": saved[FIRST + name], "exp_avg_sq": saved[SECOND + name]}
            for index, name in enumerate(names)
        }
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})


def _check(images: npt.NDArray[np.float32], lungs: npt.NDArray[np.uint8]) -> None:
    if len(images) == 0 or images.ndim != 3:
        raise ValueError(f"images has shape {images.shape}; expected at least one radiograph, (N, H, W)")
    if not np.isfinite(images).all():
        raise ValueError("images hold values that are not finite; bring them to [0, 1]")
    if lungs.shape != images.shape:
        raise ValueError(f"lungs has shape {lungs.shape}; expected that of images, {images.shape}")
