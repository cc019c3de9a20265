"""The exchange of the lungs on batches of a training."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from assets.pairing.lung_swap import lung_swap, resized
from assets.translation.domain import confine, prepare, support
from assets.translation.sampling import Batch

HOW_OFTEN = 0.5


@dataclass(frozen=True)
class SwapGrid:
    """Where each pixel of an exchanged image is read.

    Attributes:
        positions: (1, S, S, 2), x and y from -1 to 1 at the outer edges of the image.
        lungs: boolean (1, 1, S, S), where the reference has lung.
    """

    positions: Tensor
    lungs: Tensor


def swap_grid(reference_lungs: npt.NDArray[np.uint8], size: int) -> SwapGrid:
    """The exchange in the frame of the reference lungs (H, H), for images of `size` x `size` pixels.

    Raises:
        ValueError: a lung is missing, or the frame is no square.
    """
    swap = resized(lung_swap(reference_lungs), size)
    steps = np.arange(size, dtype=np.float32)
    x, y = swap.displacement[0] + steps, swap.displacement[1] + steps[:, None]
    positions = (2 * np.stack([x, y], axis=-1) + 1) / size - 1
    _, masks = prepare(np.zeros((1, *reference_lungs.shape), np.float32), reference_lungs[None], size)
    return SwapGrid(torch.from_numpy(positions.astype(np.float32))[None], support(masks))


def swap_choices(count: int, generator: torch.Generator) -> Tensor:
    """Which of `count` images have their lungs exchanged, with even odds: boolean (count, 1, 1, 1)."""
    return torch.rand((count, 1, 1, 1), generator=generator) < HOW_OFTEN


def with_swapped(batch: Batch, grid: SwapGrid, chosen: Tensor) -> Batch:
    """The batch in which the chosen images have their lungs exchanged.

    Args:
        batch: images of one domain in the frame, on the CPU.
        grid: of that frame, at the size of the images.
        chosen: as `swap_choices` gives them.
    """
    images, inside = exchanged(batch, grid)
    return Batch(torch.where(chosen, images, batch.images), torch.where(chosen, inside, batch.inside))


def exchanged(batch: Batch, grid: SwapGrid) -> tuple[Tensor, Tensor]:
    """All images of a batch, and where they have lung, with the lungs exchanged."""
    where = grid.positions.expand(len(batch.images), -1, -1, -1)
    images, inside = (
        functional.grid_sample(plane, where, mode="bilinear", padding_mode="border", align_corners=False)
        for plane in (batch.images, batch.inside.float())
    )
    lungs = (inside >= 0.5) & grid.lungs
    return confine(images, lungs), lungs
