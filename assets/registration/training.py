"""Fitting the refinement network on a cohort's training images; no disease label enters."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.registration import losses
from assets.registration.fields import halve, integrate, resize_displacement, warp
from assets.registration.jitter import apply_exposure, draw_exposure
from assets.registration.network import RegistrationNetwork, build_network, network_inputs, one_hot, soft_lungs
from assets.registration.pose import draw_poses, follow_pose, pose_displacement
from assets.registration.settings import RegistrationSettings
from assets.registration.state import TrainingState, pack, unpack

Progress = Callable[[int, dict[str, float]], None]
Checkpoint = Callable[[TrainingState], None]


class TrainingStopped(RuntimeError):
    """The loss is no longer a number.

    Attributes:
        step: optimizer step (from 0) at which it happened.
    """

    def __init__(self, step: int, terms: dict[str, float]) -> None:
        super().__init__(
            f"registration training stopped at step {step}: the loss is not finite ({terms}); "
            "lower learning_rate, or look for non-finite values in the images and displacements"
        )
        self.step = step


@dataclass(frozen=True)
class Fitted:
    """A trained network.

    Attributes:
        state: weights by name, float32 on the CPU; `inference.load_network` takes them.
        history: `step` (from 0), unweighted loss terms and their weighted sum `loss`, one entry a step.
    """

    state: dict[str, Tensor]
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Cohort:
    """Training arrays; see `fit`."""

    images: npt.NDArray[np.float32]
    lungs: npt.NDArray[np.uint8]
    displacements: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """One step's tensors on the half grid: (B, C, h, w), intensities in [0, 1], fields in half-grid pixels."""

    image: Tensor
    prealigned: Tensor
    lungs: Tensor
    displacement: Tensor
    exposures: Tensor


def fit(
    images: npt.NDArray[np.float32],
    lungs: npt.NDArray[np.uint8],
    displacements: npt.NDArray[np.float32],
    reference_lungs: npt.NDArray[np.uint8],
    settings: RegistrationSettings,
    seed: int,
    *,
    device: torch.device | None = None,
    autocast: bool = False,
    progress: Progress | None = None,
    resume: TrainingState | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Train the network to reproduce, smoothly and invertibly, each radiograph's own pre-alignment.

    Every pair is one radiograph and its pre-aligned copy, so nothing of another patient, healthy or not, can be
    learned (Oh et al., Sci Rep 16:11125, 2026; the loss is ours). What is drawn at step t comes from (seed, t) alone,
    so on a CPU with an unchanged number of threads a resumed training ends in the weights of an uninterrupted one.

    Args:
        images: (N, H, W) in [0, 1]; H and W multiples of twice the network's reduction (64 with five levels).
        lungs: uint8 (N, H, W), 0 background, 1 patient-right, 2 patient-left.
        displacements: IT-PR of each image, (N, 2, H, W): backward map, reference grid -> image, pixels.
        reference_lungs: uint8 (H, W).
        settings: network, weights, schedule.
        seed: seed of weights, batches and jitter.
        device: where to train; the CPU by default.
        autocast: run the network in bfloat16; fields and losses stay in float32.
        progress: called after every step with the step (from 0) and its loss terms.
        resume: state that `checkpoint` received earlier in a training of the same data, settings and seed.
        checkpoint: receives a copy of the state every `settings.checkpoint_every` steps.

    Raises:
        ValueError: empty or mismatched arrays, or a `resume` that doesn't belong to these settings.
        TrainingStopped: the loss is not finite.
    """
    device = device or torch.device("cpu")
    network = build_network(settings, torch.Generator().manual_seed(seed)).to(device)
    cohort = _checked_cohort(Cohort(images, lungs, displacements), reference_lungs, 2 * network.multiple)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    reference = soft_lungs(torch.from_numpy(reference_lungs)[None]).to(device)
    history = unpack(resume, network, optimizer) if resume is not None else []
    for step in range(len(history), settings.steps):
        batch = _draw_batch(cohort, settings, seed, step, device)
        terms = _optimize(network, optimizer, batch, reference, settings, step, autocast)
        history.append(terms)
        if progress is not None:
            progress(step, terms)
        if checkpoint is not None and (step + 1) % settings.checkpoint_every == 0:
            checkpoint(pack(network, optimizer, history))
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return Fitted(state, history)


def _draw_batch(cohort: Cohort, settings: RegistrationSettings, seed: int, step: int, device: torch.device) -> Batch:
    rng = np.random.default_rng([seed, step])
    count = min(settings.batch_size, len(cohort.images))
    rows = np.sort(rng.choice(len(cohort.images), count, replace=False))
    image, lungs, displacement = (
        torch.from_numpy(array[rows]).to(device)
        for array in (cohort.images[:, None], cohort.lungs, cohort.displacements)
    )
    height, width = image.shape[-2:]
    poses = torch.from_numpy(draw_poses(count, settings.pose_jitter, (height, width), rng)).to(device)
    posed = warp(torch.cat((image, one_hot(lungs)), dim=1), pose_displacement(poses, (height, width)))
    return Batch(
        image=halve(posed[:, :1]),
        prealigned=halve(warp(image, displacement)),
        lungs=halve(posed[:, 1:]),
        displacement=resize_displacement(follow_pose(displacement, poses), (height // 2, width // 2)),
        exposures=torch.from_numpy(draw_exposure(2 * count, settings.jitter, rng)).to(device),
    )


def _optimize(
    network: RegistrationNetwork,
    optimizer: torch.optim.Adam,
    batch: Batch,
    reference: Tensor,
    settings: RegistrationSettings,
    step: int,
    autocast: bool,
) -> dict[str, float]:
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * step / settings.steps))
    velocity = _velocity(network, batch, reference, settings, autocast)
    terms = _loss_terms(velocity, batch, reference, settings)
    total = (
        settings.field_weight * terms["field"]
        + settings.similarity_weight * terms["similarity"]
        + settings.smoothness_weight * terms["smoothness"]
        + settings.dice_weight * terms["dice"]
    )
    values = {name: float(value.detach()) for name, value in {**terms, "loss": total}.items()}
    if not math.isfinite(values["loss"]):
        raise TrainingStopped(step, values)
    optimizer.zero_grad(set_to_none=True)
    total.backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return {"step": float(step), **values}


def _velocity(
    network: RegistrationNetwork,
    batch: Batch,
    reference: Tensor,
    settings: RegistrationSettings,
    autocast: bool,
) -> Tensor:
    # jittered views go in, untouched ones into the loss: the network can't rely on gray values, the target stays clean
    first, second = batch.exposures.chunk(2)
    views = apply_exposure(batch.image, first), apply_exposure(batch.prealigned, second)
    shown = slice(None) if settings.use_lungs else slice(0)
    inputs = network_inputs(*views, batch.displacement, batch.lungs[:, shown], reference[:, shown])
    with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=autocast):
        velocity: Tensor = network(inputs)
    return velocity.float()


def _loss_terms(velocity: Tensor, batch: Batch, reference: Tensor, settings: RegistrationSettings) -> dict[str, Tensor]:
    displacement = integrate(velocity, settings.integration_steps)
    warped = warp(torch.cat((batch.image, batch.lungs), dim=1), displacement)
    inside = reference.sum(1, keepdim=True)
    union = torch.maximum(inside, warped[:, 1:].detach().sum(1, keepdim=True))
    height, width = displacement.shape[-2:]
    # pixels of the canvas: 2h - 1 steps of it span h - 1 steps of the half grid
    pixels = displacement.new_tensor([(2 * width - 1) / (width - 1), (2 * height - 1) / (height - 1)])
    pixels = pixels.view(1, 2, 1, 1)
    return {
        "field": losses.field_distance(displacement * pixels, batch.displacement * pixels, inside),
        "similarity": losses.intensity_difference(warped[:, :1], batch.prealigned, union),
        "smoothness": losses.roughness(displacement),
        "dice": losses.overlap_loss(warped[:, 1:], reference),
    }


def _checked_cohort(cohort: Cohort, reference_lungs: npt.NDArray[np.uint8], multiple: int) -> Cohort:
    count = len(cohort.images)
    if count == 0:
        raise ValueError("images is empty; registration needs at least one training radiograph with status ok")
    size = cohort.images.shape[1:]
    expected = {
        "images": (cohort.images.shape, (count, *size)),
        "lungs": (cohort.lungs.shape, (count, *size)),
        "displacements": (cohort.displacements.shape, (count, 2, *size)),
        "reference_lungs": (reference_lungs.shape, size),
    }
    for name, (found, wanted) in expected.items():
        if found != wanted or len(size) != 2:
            raise ValueError(f"{name} has shape {found}; expected {wanted} to fit images (N, H, W)")
    if size[0] % multiple or size[1] % multiple:
        raise ValueError(f"images are {size[0]} x {size[1]} pixels; both sides must be multiples of {multiple}")
    if not np.any(reference_lungs):
        raise ValueError("reference_lungs is empty; choose a reference with both lungs")
    return cohort
