"""Pre-alignments of a radiograph by damaged masks, so that the network learns to see through a bad mask."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from assets.prealignment.lung_coordinates import ReferenceFrame, prealign
from assets.prealignment.settings import PrealignmentSettings
from assets.registration.fields import resize_displacement
from assets.segmenter.damage import bite, blob, cut_apex, cut_base, jag

U8 = npt.NDArray[np.uint8]
Damage = Callable[[U8, int, np.random.Generator], U8]


def damaged_displacements(
    frame: ReferenceFrame,
    lungs: U8,
    copies: int,
    settings: PrealignmentSettings,
    rng: np.random.Generator,
) -> npt.NDArray[np.float16]:
    """IT-PR of one radiograph by randomly damaged versions of its mask.

    Grades are those that a mask gate may let pass: bites and bulges up to a tenth of the image, a third of a base
    missing, outlines that are jagged or wander.

    Args:
        frame: the reference, built with `settings`.
        lungs: the whole mask, uint8 (H, W).
        copies: how many.
        settings: of the pre-alignment.
        rng: draws kind, lung and grade.

    Returns:
        float16 (copies, 2, H / 2, W / 2), pixels of the half grid: backward maps, reference grid -> radiograph.
    """
    half = lungs.shape[0] // 2, lungs.shape[1] // 2
    fields = [prealign(frame, _damaged(lungs, rng), settings) for _ in range(copies)]
    stored: npt.NDArray[np.float16] = resize_displacement(torch.from_numpy(np.stack(fields)), half).half().numpy()
    return stored


def _damaged(lungs: U8, rng: np.random.Generator) -> U8:
    worker = _KINDS[rng.integers(len(_KINDS))]
    mask = worker(lungs, int(rng.integers(1, 3)), rng)
    # a lung cut to nothing cannot be pre-aligned; the whole mask is a copy as good as any
    return mask if {1, 2} <= set(np.unique(mask).tolist()) else lungs


_KINDS: tuple[Damage, ...] = (
    lambda lungs, label, rng: bite(lungs, label, rng.uniform(0.02, 0.09), rng),
    lambda lungs, label, rng: blob(lungs, label, rng.uniform(0.02, 0.08), rng),
    lambda lungs, label, rng: cut_base(lungs, label, rng.uniform(0.03, 0.35)),
    lambda lungs, label, rng: cut_apex(lungs, label, rng.uniform(0.03, 0.2)),
    lambda lungs, _, rng: jag(lungs, rng.uniform(0.003, 0.012), rng),
    lambda lungs, _, rng: jag(lungs, rng.uniform(0.005, 0.02), rng, rng.uniform(0.02, 0.1)),
)
