"""Everything random at one training step, as a function of the seed and the step alone.

No generator lives from step to step, so a training that goes on from a checkpoint draws what it would have drawn.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from assets.translation.domain import BACKGROUND


@dataclass(frozen=True)
class Batch:
    """Images of one domain: `images` (N, 1, S, S) in [-1, 1]; `inside`, boolean of that shape, where they have lung."""

    images: Tensor
    inside: Tensor

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def rows(self, indices: Tensor) -> "Batch":
        """The images of these rows."""
        return Batch(self.images[indices], self.inside[indices])

    def to(self, device: torch.device) -> "Batch":
        """The same images on a device; from pinned memory without waiting for the copy."""
        return Batch(self.images.to(device, non_blocking=True), self.inside.to(device, non_blocking=True))

    def pinned(self) -> "Batch":
        """The same images in memory that a CUDA device reads directly."""
        return Batch(self.images.pin_memory(), self.inside.pin_memory())


def generator_for(seed: int, purpose: str, number: int) -> torch.Generator:
    """CPU generator for one purpose and number; unrelated for neighbouring seeds and numbers."""
    digest = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def batch_indices(count: int, batch: int, step: int, seed: int, domain: str) -> Tensor:
    """Rows of one domain that step `step` sees: (batch,) int64.

    The domain is read in epochs, each in an order of its own, so every image is shown equally often. A batch that
    is larger than the domain goes through it again, and a domain of one image gives that image throughout.
    """
    positions = range(step * batch, (step + 1) * batch)
    orders = {
        epoch: torch.randperm(count, generator=generator_for(seed, f"order of {domain}", epoch))
        for epoch in range(positions[0] // count, positions[-1] // count + 1)
    }
    return torch.stack([orders[position // count][position % count] for position in positions])


def augmented(
    abnormal: Batch, normal: Batch, shift: float, gain: float, generator: torch.Generator
) -> tuple[Batch, Batch]:
    """Both batches moved by one common offset, each image's brightness changed a little. Nothing is flipped.

    The offset is common because the images are registered: moving the domains apart would undo that.

    Args:
        abnormal: batch of the first domain.
        normal: batch of the second domain.
        shift: largest offset in x and y as a share of the side; rounded to whole pixels.
        gain: images become (1 + g) (x + 1) - 1 with g uniform in [-gain, gain], so the background stays.
        generator: source of offset and gains, on the CPU.
    """
    reach = round(shift * abnormal.images.shape[-1])
    offset = torch.randint(-reach, reach + 1, (2,), generator=generator).tolist()
    moved = [_moved(batch, offset[0], offset[1]) for batch in (abnormal, normal)]
    brightened = [Batch(_brightened(batch.images, gain, generator), batch.inside) for batch in moved]
    return brightened[0], brightened[1]


def _moved(batch: Batch, right: int, down: int) -> Batch:
    return Batch(_shifted(batch.images, right, down, BACKGROUND), _shifted(batch.inside, right, down, 0))


def _shifted(images: Tensor, right: int, down: int, fill: float) -> Tensor:
    height, width = images.shape[-2:]
    moved = torch.full_like(images, fill)
    moved[..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = images[
        ..., max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)
    ]
    return moved


def _brightened(images: Tensor, gain: float, generator: torch.Generator) -> Tensor:
    factors = 1 + gain * (2 * torch.rand((len(images), 1, 1, 1), generator=generator) - 1)
    return ((images + 1) * factors - 1).clamp(-1, 1)
