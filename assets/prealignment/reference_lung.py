"""Choice of the single reference lung: the medoid of the training masks."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

_GRID = 64
_ROOT_AREA = 32.0


def medoid(lungs: Sequence[npt.NDArray[np.uint8]]) -> int:
    """Index of the label map with the smallest mean symmetric difference to the others.

    Both lungs count apart. Masks are compared after moving their joint centroid to the middle of a 64 x 64
    grid and scaling their joint area to 32 x 32 cells, so size and position in the image do not count.
    Differences are whole numbers of cells; a tie goes to the lowest index.

    Args:
        lungs: label maps (H, W), 1 = patient-right, 2 = patient-left lung; sizes may differ. Pass training
            images only.

    Raises:
        ValueError: no mask is given, or a mask is empty.
    """
    if len(lungs) == 0:
        raise ValueError("lungs: expected at least one training mask, got none; check the split and the status column")
    shapes = np.stack([_standard_shape(mask, index).ravel() for index, mask in enumerate(lungs)])
    flat = shapes.astype(np.float32)
    # cells are 0 or 1 and there are 8192, so the float32 product holds the exact overlap
    overlap = flat @ flat.T
    area = np.diagonal(overlap)
    difference = area[:, None] + area[None, :] - 2 * overlap
    return int(np.argmin(difference.sum(axis=1, dtype=np.float64)))


def _standard_shape(lungs: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.bool_]:
    """Both lungs (2, 64, 64) with the joint centroid in the middle and the joint area fixed."""
    y, x = np.nonzero(lungs)
    if len(y) == 0:
        raise ValueError(f"lungs[{index}]: expected a mask with lungs, all pixels are 0; leave rejected images out")
    scale = np.sqrt(len(y)) / _ROOT_AREA
    middle = (_GRID - 1) / 2
    matrix = np.array([[scale, 0, x.mean() - scale * middle], [0, scale, y.mean() - scale * middle]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cells = [
        np.asarray(cv2.warpAffine((lungs == label).astype(np.float32), matrix, (_GRID, _GRID), flags=flags)) >= 0.5
        for label in (1, 2)
    ]
    return np.stack(cells)
