"""Gray-value windows: percentiles of an image become black and white."""

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

# Percentiles between which an image must vary to count as one; a burned-in letter alone does not reach them.
FLAT_LOW, FLAT_HIGH = 0.5, 99.5


def robust_window(image: F32, low_pct: float, high_pct: float) -> tuple[float, float]:
    """Percentiles of a whole image; take them before padding, or the padding counts as dark pixels.

    Args:
        image: float32, any shape.
        low_pct: percentile for black, in [0, 100].
        high_pct: percentile for white, above low_pct.

    Returns:
        (low, high) in the image's units, linearly interpolated between order statistics.

    Raises:
        ValueError: percentiles out of order.
    """
    if not 0 <= low_pct < high_pct <= 100:
        raise ValueError(
            f"low_pct {low_pct:g}, high_pct {high_pct:g}: expected 0 <= low < high <= 100; swap or mend them"
        )
    low, high = np.percentile(image, (low_pct, high_pct))
    return float(low), float(high)


def lung_window(image: F32, lungs: npt.NDArray[np.uint8], low_pct: float, high_pct: float) -> tuple[float, float]:
    """Percentiles inside the lungs, so that collimation, labels and padding do not set the exposure.

    Args:
        image: float32 (H, W).
        lungs: uint8 (H, W), 0 outside.
        low_pct: percentile for black, in [0, 100].
        high_pct: percentile for white, above low_pct.

    Returns:
        (low, high) in the image's units.

    Raises:
        ValueError: lungs empty or of another shape.
    """
    if lungs.shape != image.shape:
        raise ValueError(f"lungs {lungs.shape}, image {image.shape}: expected the same shape; place both on one canvas")
    inside = image[lungs > 0]
    if inside.size == 0:
        raise ValueError("lungs: expected at least one pixel, found none; window the whole image or reject the row")
    return robust_window(inside, low_pct, high_pct)


def apply_window(image: F32, low: float, high: float) -> F32:
    """Map low to 0 and high to 1, clipped to [0, 1]; float32, the shape of `image`.

    Raises:
        ValueError: no room between low and high.
    """
    if not high > low:
        raise ValueError(f"window [{low:g}, {high:g}]: expected high above low; the image is flat there, reject it")
    windowed: F32 = np.clip((image - np.float32(low)) / np.float32(high - low), 0, 1).astype(np.float32)
    return windowed


def is_flat(image: F32, min_contrast: float) -> bool:
    """Whether an image is all black or otherwise constant: its 0.5 to 99.5 percentiles differ by less than given."""
    low, high = robust_window(image, FLAT_LOW, FLAT_HIGH)
    return high - low < min_contrast
