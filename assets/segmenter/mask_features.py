"""Measures of a lung mask that need no true mask: agreement with the network, the network's doubt, and shape.

No single one suffices. A damaged mask disagrees with a network that is right; a network that is wrong is unsure,
or disagrees with itself on the mirrored image, or draws a shape that no lung has.
"""

import cv2
import numpy as np
import numpy.typing as npt

from assets.segmentation.quality import outline_of, solidity
from assets.segmenter.shape_model import ShapeModel, shape_fit

Bools = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

FEATURES = (
    "network_dice",
    "expected_dice",
    "passes_dice",
    "network_certainty",
    "shape_overlap",
    "network_shape_overlap",
    "shape_distance",
    "solidity",
    "roughness",
    "ends_from_network",
    "outline_distance",
    "ends_from_other_lung",
)
"""Names of the columns of `mask_features`, each dimensionless and finite."""

OVERLAPS = tuple(name for name in FEATURES if name.endswith(("dice", "certainty", "overlap")))
"""Those that are overlaps: 1 is perfect."""

_SMOOTHING = 2.5 / 256
_FARTHEST = 1.0


def mask_features(lungs: U8, probabilities: F32, shapes: ShapeModel) -> F64:
    """Features of both lungs of a mask.

    Column by column, for each lung: Dice of the mask with the network's thresholded mean; the Dice expected if the
    network's probabilities were true, 2 sum(p m) / (sum p + sum m); Dice of the network's two passes; the expected
    Dice of the network's own mask; overlap of the mask and of the network's mask with the nearest shape of the model,
    and the mask's distance from the model's mean in standard deviations; area over that of the convex hull; share
    of the area that smoothing changes; the larger height difference of apex and base against the network's; the
    95th percentile of the distance between the two outlines; the larger height difference of apex and base
    against the mask's other lung. Lengths are fractions of the image height, at most 1.

    A lung missing in the mask has the worst values there are; one missing for the network, in what compares with
    the network.

    Args:
        lungs: (H, W), 1 = patient-right lung, 2 = patient-left.
        probabilities: (2, 2, H, W) in [0, 1]; axis 0 the network's passes on the image and on its mirror image,
            axis 1 patient-right and patient-left lung.
        shapes: model of lung shapes.

    Returns:
        (2, K), rows patient-right and patient-left lung, columns `FEATURES`. Mirroring the image and exchanging
        the sides exchanges the rows.

    Raises:
        ValueError: the probabilities are not of this mask's grid.
    """
    if probabilities.shape != (2, 2, *lungs.shape):
        raise ValueError(
            f"probabilities: expected shape {(2, 2, *lungs.shape)}, got {probabilities.shape}; "
            "predict on the mask's grid"
        )
    sides = [lungs == 1, lungs == 2]
    ends = [_ends(side) for side in sides]
    rows = [_of_lung(sides[k], probabilities[:, k], shapes, bool(k), ends[k], ends[1 - k]) for k in (0, 1)]
    return np.array(rows, dtype=np.float64)


def _of_lung(
    mask: Bools, passes: F32, shapes: ShapeModel, is_left: bool, ends: F64 | None, other: F64 | None
) -> list[float]:
    mean = passes.mean(axis=0)
    network = mean > 0.5
    upright, network_upright = (side[:, ::-1] if is_left else side for side in (mask, network))
    fit, network_fit = shape_fit(upright, shapes), shape_fit(network_upright, shapes)
    return [
        _dice(mask, network),
        _expected_dice(mask, mean),
        _dice(passes[0] > 0.5, passes[1] > 0.5),
        _expected_dice(network, mean),
        fit.overlap,
        network_fit.overlap,
        fit.distance,
        solidity(upright) if mask.any() else 0.0,
        _roughness(mask),
        _difference(ends, _ends(network)),
        _outline_distance(mask, network),
        _difference(ends, other),
    ]


def _dice(mask: Bools, other: Bools) -> float:
    """2 |A and B| / (|A| + |B|); 0 for two empty masks, because nothing that agrees was found."""
    total = int(np.count_nonzero(mask)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(mask & other)) / total if total else 0.0


def _expected_dice(mask: Bools, probability: F32) -> float:
    area = int(np.count_nonzero(mask))
    if not area:
        return 0.0
    # OpenCV adds up in double precision
    inside = float(cv2.mean(probability, mask.view(np.uint8))[0]) * area
    return 2 * inside / (float(cv2.sumElems(probability)[0]) + area)


def _roughness(mask: Bools) -> float:
    """Share of the area that changes when the mask is smoothed; 1 for an empty mask."""
    if not mask.any():
        return 1.0
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), _SMOOTHING * mask.shape[0], borderType=cv2.BORDER_CONSTANT)
    changed = np.count_nonzero((np.asarray(soft) > 0.5) != mask)
    return min(float(changed) / float(np.count_nonzero(mask)), 1.0)


def _ends(mask: Bools) -> F64 | None:
    """Apex and base of a lung, fractions of the height; None for a missing one."""
    rows = np.flatnonzero(mask.any(axis=1))
    return np.array([rows[0], rows[-1] + 1]) / mask.shape[0] if len(rows) else None


def _difference(ends: F64 | None, other: F64 | None) -> float:
    return _FARTHEST if ends is None or other is None else float(np.abs(ends - other).max())


def _outline_distance(mask: Bools, other: Bools) -> float:
    """95th percentile of the distance from either outline to the other, fraction of the height, at most 1."""
    if not mask.any() or not other.any():
        return _FARTHEST
    near = _box(mask | other)
    outlines = [outline_of(side)[near] for side in (mask, other)]
    distances = [
        np.asarray(cv2.distanceTransform((~outline).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5))
        for outline in outlines
    ]
    farther = max(float(np.percentile(distances[1 - k][outlines[k]], 95)) for k in (0, 1))
    return min(farther / len(mask), _FARTHEST)


def _box(mask: Bools) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
