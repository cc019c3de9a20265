"""Smooth extension of a displacement field that is known on a part of the image only.

Push-pull (normalized convolution on an image pyramid): known values are averaged to ever coarser levels until
every cell has some, and are interpolated back into the cells that had none. After Gortler et al., "The
Lumigraph", SIGGRAPH 1996, section 3.4.2.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

_COARSEST = 2
_TINY = 1e-6


@dataclass(frozen=True)
class FillPyramid:
    """What push-pull needs to know about the region with known values; it is independent of the values.

    Attributes:
        unknown: for each level float32 (h, w), from the image's own size downwards: 1 - mean weight in the cell.
        gain: float32 (h, w) of the coarsest level: 1 / mean weight in the cell, 0 where it is 0.
    """

    unknown: tuple[F32, ...]
    gain: F32


def fill_pyramid(weights: F32) -> FillPyramid:
    """Prepare the extension for known values with weights (H, W), 0 (unknown) to 1 (known).

    Raises:
        ValueError: nothing is known.
    """
    if not weights.max() > 0:
        raise ValueError("weights: expected some pixel with a known displacement, all are 0; check the lung mask")
    levels = [weights.astype(np.float32)]
    while len(levels) == 1 or min(levels[-1].shape) > _COARSEST:
        levels.append(_halved(levels[-1]))
    last = levels[-1]
    gain = np.where(last > _TINY, 1 / np.maximum(last, _TINY), 0).astype(np.float32)
    return FillPyramid(tuple(np.clip(1 - level, 0, 1) for level in levels), gain)


def fill(weighted: F32, pyramid: FillPyramid, blur: float = 0.0) -> F32:
    """Extend known values to the whole image.

    Where the weight is 1 the known value stays, where it is 0 the extension stands, between them a mixture. The
    extension is built at half the image size and interpolated.

    Args:
        weighted: float32 (C, H, W), values times their weights: 0 where nothing is known.
        pyramid: the region, from `fill_pyramid`.
        blur: Gaussian sigma in pixels of the full image, applied to the extension; 0 for none.

    Returns:
        float32 (C, H, W). Each value is an average of known values, so it stays within their range.
    """
    # OpenCV's fast paths are those of a single channel
    return np.stack([_fill_plane(plane, pyramid, blur) for plane in weighted])


def _fill_plane(weighted: F32, pyramid: FillPyramid, blur: float) -> F32:
    sums = [weighted]
    for _ in pyramid.unknown[1:]:
        sums.append(_halved(sums[-1]))
    filled = sums[-1] * pyramid.gain
    for level in range(len(sums) - 2, -1, -1):
        if level == 0 and blur > 0:
            filled = np.asarray(cv2.GaussianBlur(filled, (0, 0), blur / 2, borderType=cv2.BORDER_REPLICATE))
        height, width = sums[level].shape
        filled = np.asarray(cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        # a cell's sum already is its mean value times its weight
        filled *= pyramid.unknown[level]
        filled += sums[level]
    return filled


def _halved(level: F32) -> F32:
    size = ((level.shape[1] + 1) // 2, (level.shape[0] + 1) // 2)
    return np.asarray(cv2.resize(level, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
