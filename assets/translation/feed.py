"""Batches of a training, drawn by a thread of their own while the step before is computed."""

import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from assets.translation.presets import TranslationPlan
from assets.translation.sampling import Batch, augmented, batch_indices, generator_for
from assets.translation.swap import SwapGrid, swap_choices, with_swapped
from assets.translation.training_data import TrainingData


@dataclass(frozen=True)
class Drawn:
    """What one step sees.

    Attributes:
        abnormal: images of the abnormal domain.
        normal: images of the normal domain.
        abnormal_rows: the rows that they come from.
        normal_rows: likewise.
        randomness: source of what else is random at this step, on the CPU.
    """

    abnormal: Batch
    normal: Batch
    abnormal_rows: list[int]
    normal_rows: list[int]
    randomness: torch.Generator


@dataclass(frozen=True)
class Sampler:
    """Draws the batches of a training; a step's depend on seed and step alone.

    Attributes:
        data: images to draw from.
        plan: sizes and augmentation.
        seed: of the training.
        paired: draw pairs in epochs; else each domain in epochs of its own.
        grid: where lungs are exchanged; None where they are not.
        pinned: put batches where a CUDA device reads them directly.
    """

    data: TrainingData
    plan: TranslationPlan
    seed: int
    paired: bool = False
    grid: SwapGrid | None = None
    pinned: bool = False

    def draw(self, step: int) -> Drawn:
        """The batches of a step, augmented."""
        rows = self._rows(step)
        randomness = generator_for(self.seed, "step", step)
        batches = (self.data.abnormal.rows(rows[0]), self.data.normal.rows(rows[1]))
        if self.grid is not None:
            # Before anything moves: the exchange knows the lungs only where the frame has them.
            abnormal = swap_choices(len(batches[0]), randomness)
            # Partners must stay side by side.
            normal = abnormal if self.paired else swap_choices(len(batches[1]), randomness)
            batches = with_swapped(batches[0], self.grid, abnormal), with_swapped(batches[1], self.grid, normal)
        batches = augmented(*batches, self.plan.augment_shift, self.plan.augment_gain, randomness)
        if self.pinned:
            batches = (batches[0].pinned(), batches[1].pinned())
        return Drawn(*batches, rows[0].tolist(), rows[1].tolist(), randomness)

    def _rows(self, step: int) -> tuple[Tensor, Tensor]:
        if self.paired and self.data.pairs is not None:
            chosen = self.data.pairs[batch_indices(len(self.data.pairs), self.plan.batch, step, self.seed, "pairs")]
            return chosen[:, 0], chosen[:, 1]
        return (
            batch_indices(len(self.data.abnormal), self.plan.batch, step, self.seed, "abnormal"),
            batch_indices(len(self.data.normal), self.plan.batch, step, self.seed, "normal"),
        )


def fed(
    draw: Callable[[int], Drawn], first: int, steps: int, clock: Callable[[], float] = time.monotonic
) -> Generator[tuple[Drawn, float]]:
    """What each step sees, from `first` on, and how many seconds the step had to wait for it.

    While a step is computed the next one's batches are drawn beside it. What goes wrong there is raised here, at the
    step that it belongs to.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as beside:
        coming = beside.submit(draw, first)
        for step in range(first, steps):
            asked = clock()
            drawn = coming.result()
            waited = clock() - asked
            if step + 1 < steps:
                coming = beside.submit(draw, step + 1)
            yield drawn, waited
