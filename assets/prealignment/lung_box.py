"""The crop arm: an axis-aligned affine map that moves the joint box of both lungs onto the reference's."""

import numpy as np
import numpy.typing as npt


def lung_box_displacement(
    reference_lungs: npt.NDArray[np.uint8], lungs: npt.NDArray[np.uint8]
) -> npt.NDArray[np.float32]:
    """Backward displacement (2, H, W) in pixels from the reference grid to the image with the given lungs.

    ``aligned(p) = image(p + u(p))``; edges of the reference's box map onto the edges of the image's box.

    Raises:
        ValueError: a label map holds no lung.
    """
    height, width = reference_lungs.shape
    left, top, right, bottom = _box(reference_lungs, "reference_lungs")
    moving_left, moving_top, moving_right, moving_bottom = _box(lungs, "lungs")
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    read_x = moving_left + (x - left) * (moving_right - moving_left) / (right - left)
    read_y = moving_top + (y - top) * (moving_bottom - moving_top) / (bottom - top)
    displacement = np.empty((2, height, width), np.float32)
    displacement[0] = read_x - x
    displacement[1] = (read_y - y)[:, None]
    return displacement


def _box(lungs: npt.NDArray[np.uint8], name: str) -> tuple[float, float, float, float]:
    """Left, top, right, bottom edges in pixel-center coordinates (half a pixel past the outermost)."""
    rows, columns = np.flatnonzero(lungs.any(axis=1)), np.flatnonzero(lungs.any(axis=0))
    if len(rows) == 0:
        raise ValueError(f"{name}: expected at least one lung, all pixels are 0; segment again or reject the image")
    return columns[0] - 0.5, rows[0] - 0.5, columns[-1] + 0.5, rows[-1] + 0.5
