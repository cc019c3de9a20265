"""Apply, combine and store displacement fields held as NumPy arrays.

A displacement field u is float32 (2, H, W), channel 0 = x (columns), channel 1 = y (rows), in pixels, on the
grid of the fixed (output) image. It is a backward map: ``warped(p) = moving(p + u(p))``. Pixel centers lie at
integer coordinates.
"""

import cv2
import numpy as np
import numpy.typing as npt

STEPS_PER_PIXEL = 64
"""Resolution of a quantized field: 1/64 px keeps +-512 px in 16 bits."""


def read_positions(displacement: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Positions (2, H, W) in the moving image that a displacement field (2, H, W) reads, in pixels (x, y).

    Raises:
        ValueError: the field is not of shape (2, H, W).
    """
    if displacement.ndim != 3 or displacement.shape[0] != 2:
        raise ValueError(f"displacement: expected shape (2, H, W), got {displacement.shape}; stack x and y first")
    _, height, width = displacement.shape
    positions = displacement.astype(np.float32)
    positions[0] += np.arange(width, dtype=np.float32)
    positions[1] += np.arange(height, dtype=np.float32)[:, None]
    return positions


def warp_image(moving: npt.NDArray[np.float32], displacement: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Warp an image (H, W) by a backward displacement field: bilinear, border replicated.

    The output has the grid of the field; the moving image may have another size.
    """
    x, y = read_positions(displacement)
    image = np.ascontiguousarray(moving, dtype=np.float32)
    return np.asarray(cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), dtype=np.float32)


def warp_lungs(lungs: npt.NDArray[np.uint8], displacement: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Warp a label map (0 background, 1 patient-right, 2 patient-left lung) by a backward displacement field.

    Each lung is warped as a soft mask and cut at 0.5; where both reach 0.5 the patient-right lung is kept.
    Outside the moving image there is no lung.
    """
    x, y = read_positions(displacement)
    warped = np.zeros(displacement.shape[1:], np.uint8)
    for label in (2, 1):
        soft = cv2.remap((lungs == label).astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        warped[np.asarray(soft) >= 0.5] = label
    return warped


def compose(outer: npt.NDArray[np.float32], inner: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Displacement of the backward map p -> T_outer(T_inner(p)).

    ``u(p) = u_inner(p) + u_outer(p + u_inner(p))``. Warping once by the result equals warping by ``outer``
    first and the outcome by ``inner``. ``outer`` is read bilinearly with a replicated border; the result has
    the grid of ``inner``.
    """
    x, y = read_positions(inner)
    read_positions(outer)
    carried = [
        cv2.remap(np.ascontiguousarray(channel), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for channel in outer
    ]
    return np.asarray(inner + np.stack(carried), dtype=np.float32)


def sample(displacement: npt.NDArray[np.float32], points: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Values of a field (2, H, W) at points (K, 2), columns (x, y): float64 (K, 2).

    Bilinear; a point outside the grid takes the value of the nearest border.

    Raises:
        ValueError: the points are not of shape (K, 2).
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points: expected shape (K, 2) with columns (x, y), got {points.shape}")
    _, height, width = displacement.shape
    x = np.clip(points[:, 0].astype(np.float64), 0, width - 1)
    y = np.clip(points[:, 1].astype(np.float64), 0, height - 1)
    column = np.minimum(x.astype(np.intp), max(width - 2, 0))
    row = np.minimum(y.astype(np.intp), max(height - 2, 0))
    next_column, next_row = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    fx, fy = x - column, y - row
    upper = displacement[:, row, column] * (1 - fx) + displacement[:, row, next_column] * fx
    lower = displacement[:, next_row, column] * (1 - fx) + displacement[:, next_row, next_column] * fx
    return np.asarray((upper * (1 - fy) + lower * fy).T, dtype=np.float64)


def quantize(displacement: npt.NDArray[np.float32]) -> npt.NDArray[np.int16]:
    """Field in steps of 1/64 px as int16 of the same shape; the rounding error is at most 1/128 px.

    Raises:
        ValueError: a displacement is not finite or does not fit into 16 bits (about 512 px).
    """
    steps = np.rint(displacement.astype(np.float64) * STEPS_PER_PIXEL)
    limit = np.iinfo(np.int16)
    if not (np.isfinite(steps).all() and steps.min() >= limit.min and steps.max() <= limit.max):
        raise ValueError(
            f"displacement: expected finite values within +-{limit.max / STEPS_PER_PIXEL:.1f} px, "
            f"got {displacement.min():.1f} to {displacement.max():.1f} px; check the lung mask of this image"
        )
    return steps.astype(np.int16)


def dequantize(steps: npt.NDArray[np.int16]) -> npt.NDArray[np.float32]:
    """Field in pixels (float32) from the int16 steps of `quantize`."""
    return np.asarray(steps, dtype=np.float32) / np.float32(STEPS_PER_PIXEL)
