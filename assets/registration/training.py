"""Fitting the refinement network on a cohort's training images; no disease label enters."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.registration import losses
from assets.registration.batches import Batch, Cohort, HalfCohort, draw_batch, half_cohort
from assets.registration.fields import compose, integrate, warp
from assets.registration.network import CELL, RegistrationNetwork, build_network, predict_velocity
from assets.registration.roughness import UNKNOWN, usual_roughness
from assets.registration.settings import RegistrationSettings
from assets.registration.state import TrainingState, pack, unpack
from assets.registration.views import copy_views

Progress = Callable[[int, dict[str, float]], None]
Checkpoint = Callable[[TrainingState], None]

WARM_UP = 0.02
"""Share of the steps over which the step size rises."""

CHUNK = 16
"""Radiographs that the teacher sees at once."""

LARGEST_GRADIENT = 0.5
"""Norm to which a gradient is cut: a batch of badly damaged masks would else throw the weights far off."""


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
        roughness: usual one of the pre-alignments, `roughness.usual_roughness`; `inference.refiner` takes it.
        history: `step` (from 0), unweighted loss terms and their weighted sum `loss`, one entry a step.
    """

    state: dict[str, Tensor]
    history: list[dict[str, float]]
    roughness: tuple[float, float] = UNKNOWN


def fit(
    images: npt.NDArray[np.float32],
    lungs: npt.NDArray[np.uint8],
    displacements: npt.NDArray[np.float32],
    reference_lungs: npt.NDArray[np.uint8],
    settings: RegistrationSettings,
    seed: int,
    *,
    damaged: npt.NDArray[np.float16] | None = None,
    device: torch.device | None = None,
    progress: Progress | None = None,
    resume: TrainingState | None = None,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Train the network on pairs of a radiograph and its own copies, whose map is known.

    Every pair is of one radiograph, so nothing of another patient, healthy or not, can be learned (Oh et al., Sci Rep
    16:11125, 2026; pairs and loss are ours). The known map of the first round is the pre-alignment itself. It errs, by
    what outlines cannot show; the network, which has to do right by all radiographs at once, errs less, so that each
    further round starts from the maps that the network of the round before gives (congealing: Learned-Miller, TPAMI
    2006). What is drawn at step t comes from (seed, t) alone, so on a CPU with an unchanged number of threads a
    resumed training ends in the weights of an uninterrupted one.

    Args:
        images: (N, H, W) in [0, 1]; H and W multiples of four times the network's reduction (64 with four levels).
        lungs: uint8 (N, H, W), 0 background, 1 patient-right, 2 patient-left.
        displacements: IT-PR of each image, (N, 2, H, W): backward map, reference grid -> image, pixels.
        reference_lungs: uint8 (H, W).
        settings: network, pairs, weights, schedule.
        seed: seed of weights, batches and all that is random in them.
        damaged: IT-PR by damaged masks, (N, K, 2, H / 2, W / 2), pixels of the half grid; none are shown without it.
        device: where to train; the CPU by default.
        progress: called after every step with the step (from 0) and its loss terms.
        resume: state that `checkpoint` received earlier in a training of the same data, settings and seed.
        checkpoint: receives a copy of the state every `settings.checkpoint_every` steps.

    Raises:
        ValueError: empty or mismatched arrays, or a `resume` that doesn't belong to these settings.
        TrainingStopped: the loss is not finite.
    """
    device = device or torch.device("cpu")
    network = build_network(settings, torch.Generator().manual_seed(seed)).to(device)
    cohort = Cohort(images, lungs, displacements, damaged)
    _check_cohort(cohort, reference_lungs, 2 * CELL * network.multiple)
    whole = half_cohort(cohort, reference_lungs)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    teacher = deepcopy(network)
    history = unpack(resume, network, teacher, optimizer) if resume is not None else []
    known = whole if _round(len(history) - 1, settings) == 0 else _refined(whole, teacher, settings)
    for step in range(len(history), settings.steps):
        if step and _round(step, settings) != _round(step - 1, settings):
            teacher.load_state_dict(network.state_dict())
            known = _refined(whole, teacher, settings)
        batch = draw_batch(known, settings, seed, step, device)
        terms = _optimize(network, optimizer, batch, known.reference.to(device), settings, step)
        history.append(terms)
        if progress is not None:
            progress(step, terms)
        if checkpoint is not None and (step + 1) % settings.checkpoint_every == 0:
            checkpoint(pack(network, teacher, optimizer, history))
    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    return Fitted(state, history, usual_roughness(displacements, reference_lungs > 0))


def _round(step: int, settings: RegistrationSettings) -> int:
    """Round of a step; rounds are equally long. Only R3 has several.

    R1 imitates the pre-alignment, and R2, shown a copy beside itself, would find nothing to correct.
    """
    if settings.reading != "R3":
        return 0
    return max(step, 0) * settings.rounds // settings.steps


@torch.inference_mode()
def _refined(cohort: HalfCohort, teacher: RegistrationNetwork, settings: RegistrationSettings) -> HalfCohort:
    """The cohort with the maps that the teacher makes of its pre-alignments as the known ones."""
    device = next(teacher.parameters()).device
    maps = []
    for first in range(0, len(cohort.images), CHUNK):
        image, start = cohort.images[first : first + CHUNK], cohort.displacements[first : first + CHUNK]
        copy = warp(image, start)
        views = copy_views(copy, cohort.reference)
        velocity = predict_velocity(teacher, views.to(device))
        maps.append(compose(start, integrate(velocity.cpu(), settings.integration_steps)))
    return replace(cohort, known=torch.cat(maps))


def _rate(step: int, settings: RegistrationSettings) -> float:
    warm = min(1.0, (step + 1) / max(1.0, WARM_UP * settings.steps))
    return settings.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / settings.steps))


def _optimize(
    network: RegistrationNetwork,
    optimizer: torch.optim.Adam,
    batch: Batch,
    reference: Tensor,
    settings: RegistrationSettings,
    step: int,
) -> dict[str, float]:
    for group in optimizer.param_groups:
        group["lr"] = _rate(step, settings)
    velocity = predict_velocity(network, batch.views)
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
    torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
    optimizer.step()
    return {"step": float(step), **values}


def _loss_terms(velocity: Tensor, batch: Batch, reference: Tensor, settings: RegistrationSettings) -> dict[str, Tensor]:
    displacement = compose(batch.start, integrate(velocity, settings.integration_steps))
    warped = warp(torch.cat((batch.image, batch.lungs), dim=1), displacement)
    fixed = warp(batch.image, batch.known)
    inside = reference.sum(1, keepdim=True)
    union = torch.maximum(inside, warped[:, 1:].detach().sum(1, keepdim=True))
    height, width = displacement.shape[-2:]
    # pixels of the canvas: 2h - 1 steps of it span h - 1 steps of the half grid
    pixels = displacement.new_tensor([(2 * width - 1) / (width - 1), (2 * height - 1) / (height - 1)])
    pixels = pixels.view(1, 2, 1, 1)
    return {
        "field": losses.field_distance(displacement * pixels, batch.known * pixels, inside),
        "similarity": losses.intensity_difference(warped[:, :1], fixed, union),
        "smoothness": losses.roughness(velocity),
        "dice": losses.overlap_loss(warped[:, 1:], reference),
    }


def _check_cohort(cohort: Cohort, reference_lungs: npt.NDArray[np.uint8], multiple: int) -> None:
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
    if cohort.damaged is not None:
        copies, half = cohort.damaged.shape[1:2], tuple(side // 2 for side in size)
        expected["damaged"] = (cohort.damaged.shape, (count, *copies, 2, *half))
    for name, (found, wanted) in expected.items():
        if found != wanted or len(size) != 2:
            raise ValueError(f"{name} has shape {found}; expected {wanted} to fit images (N, H, W)")
    if size[0] % multiple or size[1] % multiple:
        raise ValueError(f"images are {size[0]} x {size[1]} pixels; both sides must be multiples of {multiple}")
    if not np.any(reference_lungs):
        raise ValueError("reference_lungs is empty; choose a reference with both lungs")
