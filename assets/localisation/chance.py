"""Maps that see no disease: what a measure of localisation is worth is what it is above theirs."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from assets.localisation.boxes import boxes_mask
from assets.scoring.anomaly_map import REFERENCE_SIDE

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]


def centre_map(lungs: U8) -> F32:
    """Distance of each pixel of a lung to that lung's border, px: highest in the middle of the wider lung.

    Args:
        lungs: (H, W), 0 background, 1 and 2 the lungs.
    """
    # OpenCV's is quicker, but its last digits depend on where in memory it writes.
    from scipy.ndimage import distance_transform_edt

    distance = np.zeros(lungs.shape, np.float32)
    for label in (1, 2):
        # What lies beyond the canvas is no lung, either.
        framed = np.pad(lungs == label, 1)
        distance += distance_transform_edt(framed)[1:-1, 1:-1].astype(np.float32)
    return distance


def box_heatmap(boxes: Sequence[F64], shape: tuple[int, int]) -> F32:
    """How often a pixel of the reference frame lies in a training radiograph's boxes.

    Args:
        boxes: (K, 4) of each radiograph, px of the frame.
        shape: (H, W) of the frame.

    Returns:
        (H, W) float32 in [0, 1].

    Raises:
        ValueError: there is no radiograph.
    """
    if not boxes:
        raise ValueError("a heat map of boxes needs at least one radiograph that has some")
    counted = np.zeros(shape, np.float32)
    for each in boxes:
        counted += boxes_mask(each, shape)
    return np.asarray(counted / len(boxes), dtype=np.float32)


def random_map(shape: tuple[int, int], sigma: float, seed: Sequence[int]) -> F32:
    """Absolute value of white noise under a Gaussian, with unit variance before the sign is lost.

    Args:
        shape: (H, W).
        sigma: width of the Gaussian, pixels at a side of 256.
        seed: of the generator, whole numbers of at least 0.

    Returns:
        (H, W) float32, at least 0.
    """
    scaled = sigma * max(shape) / REFERENCE_SIDE
    noise = np.random.default_rng(list(seed)).standard_normal(shape, dtype=np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), scaled)
    return np.asarray(np.abs(smooth / max(float(smooth.std()), 1e-12)), dtype=np.float32)
