"""How well lungs and landmarks come to lie on the reference, and how well a map can be undone.

Outlines are the pixels of a lung that have a neighbor outside (`outline_of`), distances run from pixel center to pixel
center. A lung that the warp carried away altogether is charged the image's diagonal, the largest distance that two
pixels can have, so that a lost lung is never left out of a mean.
"""

import numpy as np
import numpy.typing as npt

from assets.prealignment.warp import compose, sample
from assets.segmentation.quality import dice, outline_of

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def landmark_errors(
    fixed_landmarks: npt.NDArray[np.floating], moving_landmarks: npt.NDArray[np.floating], displacement: F32
) -> F64:
    """Distance (K,) in px from q + u(q), q the fixed landmarks, to the moving image's landmarks.

    Args:
        fixed_landmarks: (K, 2), columns (x, y), on the reference grid.
        moving_landmarks: (K, 2), the same places in the moving image, in the same order.
        displacement: (2, H, W), pixels, backward map, reference grid -> moving image.

    Raises:
        ValueError: the two sets differ in shape, or are not (K, 2).
    """
    if fixed_landmarks.shape != moving_landmarks.shape:
        raise ValueError(
            f"moving_landmarks: expected shape {fixed_landmarks.shape} as fixed_landmarks has, "
            f"got {moving_landmarks.shape}; give the same landmarks in the same order"
        )
    mapped = fixed_landmarks + sample(displacement, fixed_landmarks)
    return np.asarray(np.hypot(*(mapped - moving_landmarks).T))


def lung_dice(warped: U8, reference: U8) -> float:
    """Mean over both lungs of 2 |A and B| / (|A| + |B|), 0 to 1; a lung that the warp lost counts 0.

    Args:
        warped: (H, W) labels on the reference grid, 1 patient-right, 2 patient-left.
        reference: (H, W) labels.

    Raises:
        ValueError: the label maps differ in shape, or a reference lung is missing.
    """
    _check(warped, reference)
    return dice(warped, reference)


def hd95(warped: U8, reference: U8) -> float:
    """95 % Hausdorff distance of the lungs' outlines in px, mean over both lungs.

    Of one lung: the larger of the 95th percentiles of the distances from either outline to the other. A lung that the
    warp lost counts the image's diagonal.

    Args:
        warped: (H, W) labels on the reference grid, 1 patient-right, 2 patient-left.
        reference: (H, W) labels.

    Raises:
        ValueError: the label maps differ in shape, or a reference lung is missing.

    Source: Huttenlocher et al. 1993, doi:10.1109/34.232073 (ranked distances); Taha and Hanbury 2015,
    doi:10.1186/s12880-015-0068-x.
    """
    distances = _outline_distances(warped, reference)
    return float(np.mean([max(np.percentile(there, 95), np.percentile(back, 95)) for there, back in distances]))


def outline_error(warped: U8, reference: U8) -> float:
    """Mean symmetric distance of the lungs' outlines in px, mean over both lungs; for images without landmarks.

    Of one lung: the mean over the pixels of both outlines of the distance to the nearest pixel of the other. A lung
    that the warp lost counts the image's diagonal. The border says nothing about the inside: a method that is driven
    by outlines has a small error here by construction.

    Args:
        warped: (H, W) labels on the reference grid, 1 patient-right, 2 patient-left.
        reference: (H, W) labels.

    Raises:
        ValueError: the label maps differ in shape, or a reference lung is missing.
    """
    distances = _outline_distances(warped, reference)
    return float(np.mean([np.mean(np.concatenate(both)) for both in distances]))


def inverse_consistency(displacement: F32, inverse: F32, region: Mask) -> tuple[float, float]:
    """How far a map and its inverse miss the start: mean and largest |q(p) - p| in px over the pixels p of a region.

    Args:
        displacement: (2, H, W), backward map, reference grid -> moving image, pixels.
        inverse: (2, H', W'), the map back, moving grid -> reference image, pixels.
        region: (H, W) on the reference grid, such as its lungs.

    Raises:
        ValueError: `region` is empty or of another size.
    """
    if region.shape != displacement.shape[1:] or not region.any():
        raise ValueError(
            f"region: expected a pixel or more on the grid {displacement.shape[1:]} of displacement, "
            f"got {int(region.sum())} on {region.shape}; use the reference's lungs"
        )
    missed = np.hypot(*compose(inverse, displacement).astype(np.float64))[region.astype(bool)]
    return float(missed.mean()), float(missed.max())


def _outline_distances(warped: U8, reference: U8) -> list[tuple[F64, F64]]:
    """For each lung the distances from the warped outline to the reference's, and back."""
    _check(warped, reference)
    return [_distances(outline_of(warped == label), outline_of(reference == label)) for label in (1, 2)]


def _distances(one: Mask, other: Mask) -> tuple[F64, F64]:
    if not one.any():
        diagonal = np.array([np.hypot(one.shape[0] - 1, one.shape[1] - 1)])
        return diagonal, diagonal
    points, others = np.argwhere(one), np.argwhere(other)
    from scipy.spatial import KDTree

    there, back = KDTree(others).query(points)[0], KDTree(points).query(others)[0]
    return np.asarray(there, dtype=np.float64), np.asarray(back, dtype=np.float64)


def _check(warped: U8, reference: U8) -> None:
    if warped.shape != reference.shape:
        raise ValueError(f"warped: expected shape {reference.shape}, got {warped.shape}; warp it to the reference grid")
    missing = [name for label, name in ((1, "right"), (2, "left")) if not (reference == label).any()]
    if missing:
        raise ValueError(f"reference: the {missing[0]} lung is missing; choose a reference with both lungs")
