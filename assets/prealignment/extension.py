"""Smooth extension of a displacement field that is known on a part of the image only.

Push-pull (normalized convolution on an image pyramid): known values are averaged to ever coarser levels until
every cell has some, and are interpolated back into the cells that had none. After Gortler et al., "The
Lumigraph", SIGGRAPH 1996, section 3.4.2.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_COARSEST = 2
_TINY = 1e-6


@dataclass(frozen=True)
class FillPyramid:
    """What push-pull needs to know about the region with known values; it is independent of the values.

    Attributes:
        weights: trust in the known values (H, W, 1), 0 to 1.
        shapes: (H, W) of each level, from half the image size downwards.
        gains: for each level float32 (h, w, 1): 1 / mean weight in the cell, 0 where it is 0.
        trust: for each level float32 (h, w, 1): mean weight in the cell, 0 to 1.
    """

    weights: npt.NDArray[np.float32]
    shapes: tuple[tuple[int, int], ...]
    gains: tuple[npt.NDArray[np.float32], ...]
    trust: tuple[npt.NDArray[np.float32], ...]


def fill_pyramid(weights: npt.NDArray[np.float32]) -> FillPyramid:
    """Prepare the extension for known values with weights (H, W), 0 (unknown) to 1 (known).

    Raises:
        ValueError: nothing is known.
    """
    if not weights.max() > 0:
        raise ValueError("weights: expected some pixel with a known displacement, all are 0; check the lung mask")
    shapes: list[tuple[int, int]] = []
    gains, trust = [], []
    level = weights.astype(np.float32)
    while not shapes or min(shapes[-1]) > _COARSEST:
        shapes.append(((level.shape[0] + 1) // 2, (level.shape[1] + 1) // 2))
        level = _resize(level, shapes[-1], cv2.INTER_AREA)
        known = level > _TINY
        gains.append(np.where(known, 1 / np.maximum(level, _TINY), 0).astype(np.float32)[..., None])
        trust.append(np.clip(level, 0, 1)[..., None])
    return FillPyramid(weights.astype(np.float32)[..., None], tuple(shapes), tuple(gains), tuple(trust))


def fill(values: npt.NDArray[np.float32], pyramid: FillPyramid, blur: float = 0.0) -> npt.NDArray[np.float32]:
    """Extend values (H, W, C), known by the pyramid's weights, to the whole image.

    The extension is built at half the image size and interpolated, so it follows the known values only
    roughly where they are
    known: blend the known values over it (`blend`).

    Args:
        values: field with channels last (the order OpenCV resizes); entries of weight 0 are not read.
        pyramid: the region, from `fill_pyramid`.
        blur: Gaussian sigma in pixels of the full image, applied to the extension; 0 for none.

    Returns:
        float32 (H, W, C). Each value is an average of known values, so it stays within their range.
    """
    levels = []
    current = values * pyramid.weights
    for shape in pyramid.shapes:
        current = _resize(current, shape, cv2.INTER_AREA)
        levels.append(current)
    filled = levels[-1] * pyramid.gains[-1]
    for sums, gain, trust in zip(levels[-2::-1], pyramid.gains[-2::-1], pyramid.trust[-2::-1], strict=True):
        coarse = _resize(filled, sums.shape[:2], cv2.INTER_LINEAR)
        filled = coarse + trust * (sums * gain - coarse)
    if blur > 0:
        filled = np.asarray(
            cv2.GaussianBlur(filled, (0, 0), blur / 2, borderType=cv2.BORDER_REPLICATE), dtype=np.float32
        )
    return _resize(filled, values.shape[:2], cv2.INTER_LINEAR)


def blend(
    values: npt.NDArray[np.float32], extension: npt.NDArray[np.float32], pyramid: FillPyramid
) -> npt.NDArray[np.float32]:
    """Known values (H, W, C) where their weight is 1, the extension where it is 0, a mixture between."""
    return np.asarray(extension + pyramid.weights * (values - extension), dtype=np.float32)


def _resize(array: npt.NDArray[np.float32], shape: tuple[int, int], interpolation: int) -> npt.NDArray[np.float32]:
    return np.asarray(cv2.resize(array, (shape[1], shape[0]), interpolation=interpolation), dtype=np.float32).reshape(
        *shape, *array.shape[2:]
    )
