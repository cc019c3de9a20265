"""Quantities of a radiograph that need no fit: size and brightness of its lungs, and how much they were warped."""

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]


def lung_area_ratio(lungs: Pixels) -> float:
    """Share of an (H, W) label image that is lung, in [0, 1]."""
    return float((lungs > 0).mean())


def mean_lung_intensity(image: F32, lungs: Pixels) -> float:
    """Mean of an (H, W) image over the lungs, in its units; NaN without lungs."""
    inside = lungs > 0
    return float(image[inside].mean(dtype=np.float64)) if inside.any() else float("nan")


def jacobian_determinant(displacement: F32) -> F64:
    """Determinant (H, W) of the backward map p -> p + u(p) by central differences.

    Args:
        displacement: u, (2, H, W), pixels, channel 0 = x.
    """
    ux_y, ux_x = np.gradient(displacement[0].astype(np.float64))
    uy_y, uy_x = np.gradient(displacement[1].astype(np.float64))
    determinant: F64 = (1 + ux_x) * (1 + uy_y) - ux_y * uy_x
    return determinant


def mean_jacobian_deviation(displacement: F32, lungs: Pixels) -> float:
    """Mean of |det J - 1| over the lungs: how much the warp changes areas.

    Args:
        displacement: (2, H, W), pixels, channel 0 = x, backward.
        lungs: (H, W) on the grid of the field.

    Returns:
        A number >= 0, 0 for a translation; NaN without lungs.
    """
    inside = lungs > 0
    if not inside.any():
        return float("nan")
    return float(np.abs(jacobian_determinant(displacement) - 1)[inside].mean())
