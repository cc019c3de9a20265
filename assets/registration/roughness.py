"""How rough a pre-alignment is, and smoothing for those that are rougher than what a network was trained on.

Row-wise lung coordinates carry a jagged outline into the lung, as shear between neighboring rows; a velocity, smooth
as it is, cannot take it out again.
"""

import math

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]

_DETAIL = 3 / 256
"""Gaussian sigma that leaves out what counts as detail, share of the height."""

_SIGMAS = (2 / 256, 4 / 256, 6 / 256, 8 / 256, 12 / 256)
"""Gaussian sigmas down the image that are tried in turn, shares of the height."""

_UNUSUAL = 0.95

UNKNOWN = (math.inf, math.inf)
"""Usual roughness where none is known: nothing is smoothed."""


def roughness(displacement: F32, inside: Bools) -> float:
    """Root mean square over `inside` (H, W) of the detail of a field's x component, pixels.

    Args:
        displacement: (2, H, W), pixels.
        inside: the reference's lungs.
    """
    across = np.ascontiguousarray(displacement[0])
    detail = across - _blurred(across, _DETAIL * across.shape[0], _DETAIL * across.shape[0])
    return float(np.sqrt(np.mean(np.square(detail[inside]))))


def usual_roughness(displacements: F32, inside: Bools) -> tuple[float, float]:
    """Median and 95th percentile of the roughness of fields (N, 2, H, W), pixels."""
    found = [roughness(displacement, inside) for displacement in displacements]
    return float(np.quantile(found, 0.5)), float(np.quantile(found, _UNUSUAL))


def no_rougher(displacement: F32, inside: Bools, usual: tuple[float, float]) -> F32:
    """The field itself, or, if it is unusually rough, smoothed down the image until it is as smooth as most.

    Args:
        displacement: (2, H, W), pixels.
        inside: bool (H, W), the reference's lungs.
        usual: `usual_roughness` of the training's fields.

    Returns:
        The same array where nothing is to be done, else float32 (2, H, W), smoothed by the first of a few sigmas that
        is enough, or by the largest.
    """
    typical, limit = usual
    if roughness(displacement, inside) <= limit:
        return displacement
    for sigma in _SIGMAS:
        down = sigma * displacement.shape[1]
        result = np.stack([_blurred(np.ascontiguousarray(channel), 0, down) for channel in displacement])
        if roughness(result, inside) <= typical:
            break
    return result


def _blurred(channel: F32, across: float, down: float) -> F32:
    # zero would mean "as much as down"; a tenth of a pixel is none
    blurred = cv2.GaussianBlur(channel, (0, 0), sigmaX=max(across, 0.1), sigmaY=down, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(blurred, dtype=np.float32)
