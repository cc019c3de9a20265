"""Random changes of exposure, so that the network follows anatomy and not gray values."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def draw_exposure(count: int, spread: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Exposure changes of `count` images, (count, 3): log gamma, log contrast, brightness; spreads s, s and s / 2."""
    scale = np.array([spread, spread, spread / 2])
    exposure: npt.NDArray[np.float32] = (rng.standard_normal((count, 3)) * scale).astype(np.float32)
    return exposure


def apply_exposure(images: Tensor, exposure: Tensor) -> Tensor:
    """Images (N, 1, h, w) in [0, 1] with gamma, contrast about mid-gray and brightness changed, clipped to [0, 1].

    Args:
        images: (N, 1, h, w).
        exposure: (N, 3) from `draw_exposure`; zeros leave the images alone.
    """
    gamma, contrast, brightness = exposure.view(-1, 3, 1, 1, 1).unbind(1)
    # gamma has no finite slope at zero, which only matters if somebody differentiates through the jitter
    changed = images.clamp(min=1e-6) ** torch.exp(gamma)
    return ((changed - 0.5) * torch.exp(contrast) + 0.5 + brightness).clamp(0, 1)
