"""SynthMorph: a network that learns to register from synthetic images alone, by the overlap of their labels.

Hoffmann et al., TMI 2022. It never sees a radiograph in training: half of the maps are random shapes, the others are
made around the cohort's lung masks, so that it can neither learn nor unlearn a lesion.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.peers.case import Case
from assets.peers.label_maps import (
    anatomy_map,
    overlay,
    paint,
    random_shapes,
    view_displacements,
    warp_labels,
)
from assets.peers.settings import PeerSettings
from assets.peers.training import Progress, check_size, shown_pair, train
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.warp import warp_lungs
from assets.registration.fields import halve, integrate, warp
from assets.registration.losses import overlap_loss, roughness
from assets.registration.network import RegistrationNetwork
from assets.registration.training import Fitted

SHAPE_MAPS = 80
"""Maps of random shapes, drawn once; views make the difference. The official two-dimensional demo has 40."""

OVERLAID = 4
"""Labels of random shapes that lie over an anatomy map; the others let it through."""

RIGHT_LUNG, LEFT_LUNG = 1, 2


@dataclass(frozen=True)
class Pairs:
    """Views of the same maps: images (b, 1, h, w) in [0, 1] and masks (b, K, h, w) of 0.0 and 1.0."""

    moving: Tensor
    fixed: Tensor
    moving_masks: Tensor
    fixed_masks: Tensor


def fit_synthmorph(
    lungs: npt.NDArray[np.uint8],
    reference: Case,
    settings: PeerSettings,
    *,
    progress: Progress | None = None,
) -> Fitted:
    """Train on synthetic pairs; the reference only says where the lungs' box lies.

    Args:
        lungs: uint8 (N, H, W), 0 background, 1 patient-right, 2 patient-left.
        reference: the image that radiographs will be registered to, and its lungs, (H, W).
        settings: network, share of shapes, schedule, seed.
        progress: called after every step with the step (from 0) and its loss terms.

    Returns:
        Weights, and a history of `overlap` (one minus Dice), `smoothness` and `loss`.

    Raises:
        ValueError: no masks, an empty one, or sizes that don't fit each other or the network.
        PeerTrainingStopped: the loss is not finite.
    """
    check_size("reference.lungs", reference.lungs.shape, settings)
    if len(lungs) == 0 or lungs.shape[1:] != reference.lungs.shape:
        raise ValueError(f"lungs has shape {lungs.shape}; expected (N, H, W), N > 0, of size {reference.lungs.shape}")
    anatomy = torch.from_numpy(np.stack([_anatomy(own, reference) for own in lungs]))
    size = (anatomy.shape[1], anatomy.shape[2])
    pool = random_shapes(SHAPE_MAPS, settings.shape_labels, size, torch.Generator().manual_seed(settings.seed))
    shapes = round(settings.shapes_share * settings.batch_size)

    def objective(network: RegistrationNetwork, generator: torch.Generator) -> dict[str, Tensor]:
        drawn = _some(anatomy, settings.batch_size - shapes, generator).long()
        over = _some(pool, settings.batch_size, generator)
        labels = settings.shape_labels
        kinds = [shape_pairs(over[:shapes], labels, generator), chest_pairs(drawn, over[shapes:], generator)]
        return loss_terms(network, [pairs for pairs in kinds if len(pairs.moving)], settings)

    return train(objective, settings, progress)


def shape_pairs(shapes: Tensor, labels: int, generator: torch.Generator) -> Pairs:
    """Pairs of maps of random shapes (b, h, w), mirrored at random; each of the labels below `labels` has a mask."""
    mirrored = shapes.flip([axis for axis in (1, 2) if torch.rand((), generator=generator) < 0.5])
    return _views(mirrored, mirrored, range(labels), generator)


def chest_pairs(chests: Tensor, shapes: Tensor, generator: torch.Generator) -> Pairs:
    """Pairs of anatomy maps (b, h, w) under shapes (b, h, w); the lungs have masks, also where a shape hides them."""
    return _views(overlay(chests, shapes, OVERLAID), chests, (RIGHT_LUNG, LEFT_LUNG), generator)


def loss_terms(network: RegistrationNetwork, kinds: Sequence[Pairs], settings: PeerSettings) -> dict[str, Tensor]:
    """Overlap of the warped moving masks with the fixed ones, every pair counting alike, and the map's smoothness."""
    moving, fixed = torch.cat([pairs.moving for pairs in kinds]), torch.cat([pairs.fixed for pairs in kinds])
    displacement = integrate(network(shown_pair(moving, fixed)), settings.integration_steps)
    counts = [len(pairs.moving) for pairs in kinds]
    overlaps = [
        len(own) * overlap_loss(warp(pairs.moving_masks, own), pairs.fixed_masks)
        for pairs, own in zip(kinds, torch.split(displacement, counts), strict=True)
    ]
    overlap, smoothness = torch.stack(overlaps).sum() / len(moving), roughness(displacement)
    return {
        "overlap": overlap,
        "smoothness": smoothness,
        "loss": overlap + settings.synthmorph_smoothness * smoothness,
    }


def _views(painted: Tensor, known: Tensor, labels: Sequence[int], generator: torch.Generator) -> Pairs:
    """Two views of maps that are shown (b, h, w) and of maps that are compared (b, h, w), by their labels."""
    count, height, width = painted.shape
    displacement = view_displacements(2 * count, (height, width), generator)
    images = paint(warp_labels(painted.repeat(2, 1, 1), displacement), generator)
    seen = warp_labels(known.repeat(2, 1, 1), displacement)
    masks = torch.stack([seen == label for label in labels], dim=1).float()
    return Pairs(images[:count], images[count:], masks[:count], masks[count:])


def _some(maps: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return maps[torch.randint(len(maps), (count,), generator=generator)]


def _anatomy(lungs: npt.NDArray[np.uint8], reference: Case) -> npt.NDArray[np.uint8]:
    boxed = warp_lungs(lungs, lung_box_displacement(reference.lungs, lungs))
    sides = torch.from_numpy(np.stack([boxed == RIGHT_LUNG, boxed == LEFT_LUNG]).astype(np.float32))
    right, left = (halve(sides[None])[0] >= 0.5).numpy()
    return anatomy_map(np.where(right, RIGHT_LUNG, np.where(left, LEFT_LUNG, 0)).astype(np.uint8))
