"""One step's training pairs, drawn from a cohort by seed and step alone."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.registration.appearance import vary_appearance
from assets.registration.deformations import draw_deformations, outline_normals
from assets.registration.fields import compose, halve, resize_displacement, warp
from assets.registration.pose import draw_poses, follow_pose, pose_displacement
from assets.registration.settings import RegistrationSettings
from assets.registration.views import copy_views, paired_views, soft_lungs, whole_views


@dataclass(frozen=True)
class Cohort:
    """Training arrays; see `training.fit`."""

    images: npt.NDArray[np.float32]
    lungs: npt.NDArray[np.uint8]
    displacements: npt.NDArray[np.float32]
    damaged: npt.NDArray[np.float16] | None = None


@dataclass(frozen=True)
class HalfCohort:
    """The same on the half grid: images (N, 1, h, w), soft lungs (N, 2, h, w), fields (N, 2, h, w) in its pixels.

    Attributes:
        images: intensities in [0, 1].
        lungs: channel 0 = patient-right.
        displacements: IT-PR by the whole masks.
        known: the maps to be reached; at first IT-PR, too.
        damaged: IT-PR by damaged masks, (N, K, 2, h, w) float16, or None.
        reference: soft lungs (1, 2, h, w).
        normals: of the reference's outlines, `deformations.outline_normals`.
    """

    images: Tensor
    lungs: Tensor
    displacements: Tensor
    known: Tensor
    damaged: Tensor | None
    reference: Tensor
    normals: Tensor


@dataclass(frozen=True)
class Batch:
    """A step's tensors on the half grid.

    Attributes:
        views: what the network is shown, (B, C, h, w).
        image: (B, 1, h, w), on its canvas.
        lungs: soft lungs of `image`, whole ones.
        start: map that the network's is composed with, (B, 2, h, w); zero for R1.
        known: the map to be reached, (B, 2, h, w).
    """

    views: Tensor
    image: Tensor
    lungs: Tensor
    start: Tensor
    known: Tensor


def half_cohort(cohort: Cohort, reference_lungs: npt.NDArray[np.uint8]) -> HalfCohort:
    """The cohort on the half grid, on the CPU."""
    height, width = cohort.images.shape[1] // 2, cohort.images.shape[2] // 2
    reference = soft_lungs(torch.from_numpy(reference_lungs)[None])
    displacements = resize_displacement(torch.from_numpy(cohort.displacements), (height, width))
    return HalfCohort(
        halve(torch.from_numpy(cohort.images)[:, None]),
        torch.cat([soft_lungs(torch.from_numpy(lungs)[None]) for lungs in cohort.lungs]),
        displacements,
        displacements,
        None if cohort.damaged is None else torch.from_numpy(cohort.damaged),
        reference,
        outline_normals(reference),
    )


def draw_batch(cohort: HalfCohort, settings: RegistrationSettings, seed: int, step: int, device: torch.device) -> Batch:
    """The batch of one step: the same for the same seed and step, whatever was drawn before."""
    rng = np.random.default_rng([seed, step])
    count = min(settings.batch_size, len(cohort.images))
    rows = torch.from_numpy(np.sort(rng.choice(len(cohort.images), count, replace=False)))
    draw = _whole_batch if settings.reading == "R1" else _residual_batch
    batch = draw(cohort, rows, settings, rng)
    return Batch(*(value.to(device) for value in vars(batch).values()))


def _residual_batch(
    cohort: HalfCohort, rows: Tensor, settings: RegistrationSettings, rng: np.random.Generator
) -> Batch:
    """R2, R3: the copy is deformed by a known map, or was made by a damaged mask, or both; undo it."""
    image, known = cohort.images[rows], cohort.known[rows]
    start = _start(cohort, rows, settings, rng)
    start = compose(start, draw_deformations(len(rows), cohort.normals, settings, rng))
    moving = _varied(warp(image, start), settings, rng)
    if settings.reading == "R3":
        views = copy_views(moving, cohort.reference)
    else:
        fixed = _varied(warp(image, known), settings, rng)
        views = paired_views(moving, fixed, cohort.reference)
    return Batch(views, image, cohort.lungs[rows], start, known)


def _start(cohort: HalfCohort, rows: Tensor, settings: RegistrationSettings, rng: np.random.Generator) -> Tensor:
    whole = cohort.displacements[rows]
    if cohort.damaged is None:
        return whole
    chosen = torch.from_numpy(rng.integers(cohort.damaged.shape[1], size=len(rows)))
    spoilt = torch.from_numpy(rng.random((len(rows), 1, 1, 1)) < settings.damaged)
    return torch.where(spoilt, cohort.damaged[rows, chosen].float(), whole)


def _whole_batch(cohort: HalfCohort, rows: Tensor, settings: RegistrationSettings, rng: np.random.Generator) -> Batch:
    """R1: the radiograph in a random pose and its own copy; find the map between them."""
    image, known = cohort.images[rows], cohort.displacements[rows]
    size = image.shape[2], image.shape[3]
    poses = torch.from_numpy(draw_poses(len(rows), settings.pose_jitter, size, rng))
    posed = warp(torch.cat((image, cohort.lungs[rows]), dim=1), pose_displacement(poses, size))
    followed = follow_pose(known, poses)
    moving = _varied(posed[:, :1], settings, rng)
    copy = _varied(warp(image, known), settings, rng)
    return Batch(
        whole_views(moving, copy, followed, posed[:, 1:], cohort.reference),
        posed[:, :1],
        posed[:, 1:],
        torch.zeros_like(known),
        followed,
    )


def _varied(images: Tensor, settings: RegistrationSettings, rng: np.random.Generator) -> Tensor:
    """The images as other devices and diseases might have left them; what enters the loss stays as it is."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    return vary_appearance(images, settings.jitter, generator)
