"""How smooth a map is, so that it is compared with random maps as smooth."""

import numpy as np
import numpy.typing as npt

from assets.scoring.anomaly_map import REFERENCE_SIDE

F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def smoothness(anomaly_map: F32, lungs: Mask) -> float | None:
    """Width of the Gaussian that would make white noise as smooth as this map.

    Noise under a Gaussian of width s has a variance and a mean squared gradient with the ratio s ** 2 (in two
    dimensions); differences between neighbors inside the lungs stand for the gradient.

    Args:
        anomaly_map: (H, W) float32.
        lungs: (H, W) bool.

    Returns:
        Pixels at a side of 256; None for a map that is constant in the lungs, or without neighbors in them.
    """
    values = anomaly_map.astype(np.float64)
    spread = values[lungs].var() if lungs.any() else 0.0
    across = np.diff(values, axis=1)[lungs[:, 1:] & lungs[:, :-1]]
    down = np.diff(values, axis=0)[lungs[1:] & lungs[:-1]]
    if not (across.size and down.size) or spread == 0:
        return None
    squared = float(np.mean(across**2) + np.mean(down**2))
    # A map with a spread but equal neighbors has two lungs of one value each.
    return None if squared == 0 else float(np.sqrt(spread / squared)) * REFERENCE_SIDE / max(anomaly_map.shape)
