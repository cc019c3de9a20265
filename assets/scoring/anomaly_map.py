"""The difference between radiographs and their translations, inside the lungs."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]
Array = Tensor | npt.NDArray[np.generic]

REFERENCE_SIDE = 256


@dataclass(frozen=True)
class AnomalyMaps:
    """Maps of a batch, in units of an image in [0, 1], exactly 0 outside the lungs.

    Attributes:
        absolute: (N, S, S) float32, |x - G(x)|, in [0, 1] unless a gain was given.
        positive: (N, S, S) float32, max(0, x - G(x)), likewise: what the radiograph has too much of, as opacities.
        lungs: (N, S, S) bool, the pixels that count.
    """

    absolute: F32
    positive: F32
    lungs: Mask

    def contrast(self, abnormal: "AnomalyMaps") -> F32:
        """|x - G(x)| - |x - F(x)|: how much more a translation to normal changes than one to abnormal.

        Two generators that were trained together have artefacts in common, which weigh in |x - G(x)| however normal x
        is. What both change alike cancels, and what is left is meant to lie above 0 in an abnormal radiograph, which G
        has to change and F has not, and below 0 in a normal one.

        Args:
            abnormal: the maps of the same radiographs and their translations to abnormal, F(x).

        Returns:
            (N, S, S) float32, in [-1, 1], exactly 0 outside the lungs.

        Source: none; the measure is the project's own.
        """
        return self.absolute - abnormal.absolute


def anomaly_maps(images: Array, translated: Array, lungs: Array, gain: F32 | None = None) -> AnomalyMaps:
    """Difference of radiographs and their translations to normal, inside the lungs.

    The maps stay in the frame of the images. In the reference frame the mean of a map therefore weights a
    patient's tissue by the determinant of the warp.

    Args:
        images: x, (N, 1, S, S) or (N, S, S), in [-1, 1]; tensor on any device, or array.
        translated: G(x), the same shape and range.
        lungs: labels, binary or soft mask of the same shape; a pixel counts from 0.5 on.
        gain: (S, S), what a difference is worth at each pixel, above 0; 1 everywhere where none is given.

    Returns:
        The absolute map and its positive part, halved to the units of an image in [0, 1].

    Raises:
        ValueError: shapes differ, or a value is outside [-1, 1] or not finite.

    Source: no formula of the difference is published with the method; the absolute value and, for findings that
        are brighter than lung, the positive part are the project's reading.
    """
    x, generated = _batch("images", images), _batch("translated", translated)
    inside: Mask = _batch("lungs", lungs) >= 0.5
    if not x.shape == generated.shape == inside.shape:
        raise ValueError(f"images {x.shape}, translated {generated.shape} and lungs {inside.shape} must have one shape")
    _check_range("images", x)
    _check_range("translated", generated)
    worth = np.float32(1) if gain is None else gain
    difference = np.where(inside, worth * (x - generated) / 2, np.float32(0)).astype(np.float32)
    return AnomalyMaps(np.abs(difference), np.maximum(difference, np.float32(0)), inside)


def smooth_in_lung(anomaly_map: F32, lungs: Pixels, sigma: float) -> F32:
    """Gaussian smoothing that neither draws from outside the lungs nor leaks out of them.

    The filtered map is divided by the filtered mask (normalized convolution), so a constant map stays constant up
    to the lung's border.

    Args:
        anomaly_map: (S, S) float32.
        lungs: (S, S) labels or binary mask; non-zero counts.
        sigma: pixels at a side of 256, scaled by S / 256; 0 leaves the map as it is.

    Returns:
        (S, S) float32, 0 outside the lungs.

    Source: Knutsson and Westin 1993, Normalized and differential convolution, CVPR.
    """
    inside: Mask = lungs > 0
    if inside.shape != anomaly_map.shape:
        raise ValueError(f"lungs {inside.shape} must have the shape of anomaly_map {anomaly_map.shape}")
    scaled = sigma * max(anomaly_map.shape) / REFERENCE_SIDE
    if scaled == 0:
        return np.where(inside, anomaly_map, np.float32(0)).astype(np.float32)
    weight, total = _blurred(inside, scaled), _blurred(np.where(inside, anomaly_map, 0), scaled)
    smoothed: F32 = np.divide(total, weight, out=np.zeros_like(total), where=inside).astype(np.float32)
    return smoothed


def _blurred(values: npt.NDArray[np.generic], sigma: float) -> npt.NDArray[np.float64]:
    """Gaussian out to four sigmas with nothing beyond the border."""
    side = 2 * max(1, round(4 * sigma)) + 1
    # float64 keeps ties of a constant map within rounding of each other
    wide = values.astype(np.float64)
    return np.asarray(cv2.GaussianBlur(wide, (side, side), sigma, borderType=cv2.BORDER_CONSTANT), dtype=np.float64)


def _batch(name: str, values: Array) -> F32:
    array = values.detach().float().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    if array.ndim == 4 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 3:
        raise ValueError(f"{name} must be (N, 1, S, S) or (N, S, S), got {array.shape}")
    return array.astype(np.float32, copy=False)


def _check_range(name: str, values: F32) -> None:
    # the margin admits bfloat16 rounding of a tanh output
    bad = ~(np.abs(values) <= 1.01).all(axis=(1, 2))
    if bad.any():
        raise ValueError(f"{name} row {int(bad.argmax())} has a value outside [-1, 1] or not finite; rescale it first")
