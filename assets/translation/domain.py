"""Radiographs as the networks see them: lungs only, square, in [-1, 1]."""

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

BACKGROUND = -1.0
# Softness of the lung mask in pixels of a 256 pixel canvas: hides the outline's staircase, keeps the pleura.
SOFTNESS = 2.0
# Soft masks fall to nothing gradually; below one grey level of 255 a pixel counts as outside.
SUPPORT = 1.0 / 255.0

_CHUNK = 256


def prepare(images: npt.NDArray[np.float32], lungs: npt.NDArray[np.uint8], size: int) -> tuple[Tensor, Tensor]:
    """Lungs cut out softly and resampled by area averaging.

    With soft mask m (the binary lungs under a Gaussian of 2 px at 256) and image v, the prepared image is
    2 m v - 1: -1 outside the lungs, whatever the radiograph shows there.

    Args:
        images: (N, H, W) in [0, 1], already windowed.
        lungs: (N, H, W), 0 outside, 1 and 2 in the lungs.
        size: side S of the result in pixels, at most H and W.

    Returns:
        Images (N, 1, S, S) in [-1, 1] and soft masks (N, 1, S, S) in [0, 1], float32, on the CPU.

    Raises:
        ValueError: shapes differ, the canvas is smaller than `size`, values leave [0, 1], or a lung mask is empty.
    """
    _check(images, lungs, size)
    parts = [_prepare_chunk(images[i : i + _CHUNK], lungs[i : i + _CHUNK], size) for i in range(0, len(images), _CHUNK)]
    if not parts:
        return torch.empty(0, 1, size, size), torch.empty(0, 1, size, size)
    return torch.cat([image for image, _ in parts]), torch.cat([mask for _, mask in parts])


def support(masks: Tensor) -> Tensor:
    """Where a soft mask counts as lung: boolean, same shape."""
    return masks > SUPPORT


def confine(images: Tensor, inside: Tensor) -> Tensor:
    """Images with the background value wherever `inside` (boolean, same shape) is false."""
    return torch.where(inside, images, torch.full_like(images, BACKGROUND))


def require_alike(images: Tensor, masks: Tensor) -> None:
    """ValueError unless both are (N, 1, S, S) of one shape."""
    if images.ndim != 4 or images.shape != masks.shape:
        raise ValueError(f"images {tuple(images.shape)} and masks {tuple(masks.shape)} must both be (N, 1, S, S)")


def _check(images: npt.NDArray[np.float32], lungs: npt.NDArray[np.uint8], size: int) -> None:
    if images.ndim != 3 or images.shape != lungs.shape:
        raise ValueError(f"images {images.shape} and lungs {lungs.shape} must both be (N, H, W) of one shape")
    if min(images.shape[1:]) < size:
        raise ValueError(f"size is {size}, but the canvas has {images.shape[1:]} pixels; lower the translation size")
    for row, (image, mask) in enumerate(zip(images, lungs, strict=True)):
        if not (image.min() >= 0 and image.max() <= 1):
            raise ValueError(f"images[{row}] leaves [0, 1] or is not finite; window the images first")
        if not mask.any():
            raise ValueError(f"lungs[{row}] is empty; set the row aside before translation")


def _prepare_chunk(images: npt.NDArray[np.float32], lungs: npt.NDArray[np.uint8], size: int) -> tuple[Tensor, Tensor]:
    sigma = SOFTNESS * images.shape[1] / 256
    soft = np.stack([cv2.GaussianBlur((mask > 0).astype(np.float32), (0, 0), sigma) for mask in lungs])
    masks = torch.from_numpy(soft)[:, None]
    cut_out = 2 * torch.from_numpy(np.ascontiguousarray(images))[:, None] * masks - 1
    resample = functional.adaptive_avg_pool2d
    return resample(cut_out, size).clamp_(-1, 1), resample(masks, size).clamp_(0, 1)
