"""From attenuation to a stored radiograph: processing, noise, tone, collimation and side marker.

Everything that depends on the image as a whole is measured on the lesion-free attenuation, so that a radiograph
and its lesion-free twin differ only where the lesion adds attenuation.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from assets.radiographs.phantom.drawing import Image, soften

_MARKER_LEVEL = 0.97


@dataclass(frozen=True)
class Exposure:
    """Settings of one exposure; the defaults are a clean one without noise.

    Attributes:
        equalization: share of the wide-area mean that processing removes.
        blur: detector blur, fraction of the image side.
        tilt_x, tilt_y: change of attenuation over the image.
        noise: standard deviation of the noise at zero attenuation.
        gamma, contrast, brightness: tone curve after scaling to [0, 1].
        shutter: width of the dark collimation bars left and right, fraction of the side.
        marker: letter of the side marker or an empty string.
        marker_x, marker_y: lower left corner of the marker, fractions of the side.
    """

    equalization: float = 0.35
    blur: float = 0.0015
    tilt_x: float = 0.0
    tilt_y: float = 0.0
    noise: float = 0.0
    gamma: float = 1.0
    contrast: float = 1.0
    brightness: float = 0.0
    shutter: float = 0.0
    marker: str = ""
    marker_x: float = 0.88
    marker_y: float = 0.12


def draw_exposure(rng: np.random.Generator) -> Exposure:
    """Draw the settings of one exposure."""
    return Exposure(
        equalization=rng.uniform(0.25, 0.50),
        blur=rng.uniform(0.0008, 0.0026),
        tilt_x=rng.normal(0, 0.03),
        tilt_y=rng.normal(0, 0.03),
        noise=rng.uniform(0.006, 0.016),
        gamma=float(np.exp(rng.normal(0, 0.15))),
        contrast=rng.uniform(0.86, 1.10),
        brightness=rng.normal(0, 0.03),
        shutter=rng.uniform(0.01, 0.05) if rng.random() < 0.2 else 0.0,
        marker=("L", "R")[rng.integers(2)] if rng.random() < 0.5 else "",
        marker_x=rng.uniform(0.86, 0.91),
        marker_y=rng.uniform(0.08, 0.20),
    )


def _processed(attenuation: Image, exposure: Exposure) -> Image:
    """Detector blur, exposure tilt and wide-area equalization."""
    size = len(attenuation)
    ramp = np.arange(size, dtype=np.float32) / np.float32(size) - np.float32(0.5)
    blurred = soften(attenuation, exposure.blur * size)
    tilt = np.float32(exposure.tilt_x) * ramp[None, :] + np.float32(exposure.tilt_y) * ramp[:, None]
    return blurred + tilt - np.float32(exposure.equalization) * soften(attenuation, 0.14 * size)


def _tone(scaled: Image, exposure: Exposure) -> Image:
    """Gamma, contrast and brightness; clipped to [0, 1]."""
    curve = np.clip(scaled, 0, 1) ** np.float32(exposure.gamma)
    toned = (curve - np.float32(0.5)) * np.float32(exposure.contrast) + np.float32(0.5 + exposure.brightness)
    result: Image = np.clip(toned, 0, 1)
    return result


def _stamp(image: Image, exposure: Exposure) -> Image:
    """Collimation bars and side marker."""
    size = len(image)
    bar = int(size * exposure.shutter)
    if bar:
        image[:, :bar] = 0
        image[:, size - bar :] = 0
    if exposure.marker:
        corner = (int(size * exposure.marker_x), int(size * exposure.marker_y))
        # cv2.putText takes 8-bit images only.
        letter = np.zeros((size, size), np.uint8)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(letter, exposure.marker, corner, font, size / 570, 255, max(1, size // 256), cv2.LINE_AA)
        image = np.maximum(image, letter.astype(np.float32) * np.float32(_MARKER_LEVEL / 255))
    return image


def expose(attenuation: Image, lesion: Image | None, exposure: Exposure, rng: np.random.Generator) -> Image:
    """Turn attenuation into a radiograph.

    Args:
        attenuation: (H, W) float32 without the lesion.
        lesion: (H, W) float32 attenuation that the lesion adds, or None.
        exposure: settings of the exposure.
        rng: source of the detector noise.

    Returns:
        (H, W) float32 in [0, 1], bright where attenuation is high. Without a lesion, and wherever the blurred
        lesion is zero, the pixels are those of the twin with the same rng state.
    """
    processed = _processed(attenuation, exposure)
    low, high = np.percentile(processed[::4, ::4], [1.0, 99.3]).astype(np.float32)
    # Quantum noise: the photons that reach the detector fall exponentially with attenuation.
    deviation = np.float32(exposure.noise) * np.exp(np.float32(0.65) * attenuation)
    noise = rng.standard_normal(attenuation.shape, np.float32) * deviation
    if lesion is not None:
        processed = processed + soften(lesion, exposure.blur * len(lesion))
    toned = _tone((processed + noise - low) / (high - low), exposure)
    return _stamp(toned, exposure)
