"""What a regression is given of a radiograph: views of it in which no disease of the lungs can be seen."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from assets.shortcuts.settings import ShortcutSettings

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

PICTURED = ("border", "outside_lungs", "mask_outline", "mask_outline_it_pr", "histogram")


def pictured(image: F32, lungs: U8, prealigned_lungs: U8, settings: ShortcutSettings) -> dict[str, F32]:
    """Features of each of `PICTURED`.

    Args:
        image: (H, W) in [0, 1] as it lies on the canvas, without the window of its lungs.
        lungs: (H, W) labels.
        prealigned_lungs: (H, W) labels of the same lungs after IT-PR.
        settings: sizes.

    Returns:
        `border` the frame of a thumbnail; `outside_lungs` a thumbnail, lungs filled with the mean around them;
        `mask_outline` and `mask_outline_it_pr` both lungs as thumbnails; `histogram` shares of gray values. Each is
        float32 (D,) with D the same for every radiograph.

    Raises:
        ValueError: image and lungs differ in shape.
    """
    if image.shape != lungs.shape:
        raise ValueError(f"image {image.shape} and lungs {lungs.shape} must have one shape")
    outside = lungs == 0
    around = np.float32(image[outside].mean() if outside.any() else 0.0)
    counts, _ = np.histogram(image, bins=settings.histogram_bins, range=(0.0, 1.0))
    return {
        "border": thumbnail(image, settings.thumbnail)[_frame(settings.thumbnail, settings.frame_share)],
        "outside_lungs": thumbnail(np.where(outside, image, around), settings.thumbnail).ravel(),
        "mask_outline": _both_lungs(lungs, settings.thumbnail),
        "mask_outline_it_pr": _both_lungs(prealigned_lungs, settings.thumbnail),
        "histogram": (counts / image.size).astype(np.float32),
    }


def thumbnail(image: npt.NDArray[np.generic], side: int) -> F32:
    """An (H, W) image as a square of `side` pixels, areas averaged."""
    small = cv2.resize(np.asarray(image, dtype=np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.float32)


def coded(values: Sequence[str | None], known: Sequence[str]) -> F64:
    """Categories (N,) as (N, K) zeros and ones, NaN where nothing is recorded, zeros for an unknown category."""
    codes = [[np.nan] * len(known) if value is None else [float(value == name) for name in known] for value in values]
    return np.array(codes, dtype=np.float64).reshape(len(values), len(known))


def curved(values: Sequence[float | None]) -> F64:
    """Numbers (N,) with their squares, (N, 2), so that a regression may find both ends unusual; NaN where missing."""
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.stack([numbers, numbers**2], axis=1)


def _both_lungs(lungs: U8, side: int) -> F32:
    return np.concatenate([thumbnail(lungs == label, side).ravel() for label in (1, 2)])


def _frame(side: int, share: float) -> npt.NDArray[np.bool_]:
    width = max(1, round(share * side))
    frame = np.ones((side, side), dtype=np.bool_)
    frame[width:-width, width:-width] = False
    return frame
