"""Past fakes for the discriminator, so that it does not forget what the generator used to do."""

import torch
from torch import Tensor


class ImagePool:
    """Keeps up to `capacity` fakes and mixes them with new ones.

    Source: Shrivastava et al. 2017, arXiv:1612.07828, section 2.3, as used in arXiv:1703.10593, section 4.

    Args:
        capacity: number of images kept; 0 returns every query unchanged.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._images: list[Tensor] = []

    def __len__(self) -> int:
        """Number of images kept."""
        return len(self._images)

    def query(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Images to show to the discriminator in place of these.

        Until the pool is full an image is stored and returned; afterwards, with probability 1/2, it is returned, or a
        random stored image is returned and replaced by it.

        Args:
            images: (N, 1, H, W); gradients are cut.
            generator: source of the decisions, on the CPU.

        Returns:
            (N, 1, H, W), detached.
        """
        return torch.stack([self._exchange(image, generator) for image in images.detach().float()])

    def state(self) -> dict[str, Tensor]:
        """The stored images as one tensor (K, 1, H, W) under `images`; nothing while the pool is empty."""
        return {"images": torch.stack(self._images)} if self._images else {}

    def restore(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Take over what `state` gave."""
        self._images = list(state["images"].to(device).unbind()) if state else []

    def _exchange(self, image: Tensor, generator: torch.Generator) -> Tensor:
        if len(self._images) < self.capacity:
            self._images.append(image.clone())
            return image
        if self.capacity == 0 or torch.rand((), generator=generator) < 0.5:
            return image
        place = int(torch.randint(self.capacity, (), generator=generator))
        stored, self._images[place] = self._images[place], image.clone()
        return stored
