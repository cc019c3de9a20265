"""Mean shapes of the training lungs, and the mean radiograph on one: reference lungs that are no one's own."""

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.lung_tilt import LUNG_NAMES
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import warp_image
from assets.segmentation.cleanup import largest_component
from assets.segmenter.damage import signed_distance

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


def mean_shape(lungs: Sequence[U8], symmetric: bool = False) -> U8:
    """Mean of label maps: where the mean signed distance to a lung's outline is positive, that lung is.

    Before averaging, each lung is moved and scaled so that its centroid and the root of its area are the mean ones
    of that side. Averaging signed distances after Leventon, Grimson and Faugeras, CVPR 2000, section 2.

    Args:
        lungs: label maps (H, W) of one shape, 1 = patient-right, 2 = patient-left lung. Pass training images only.
        symmetric: average every pair of lungs with its mirror image, lungs exchanged, about the middle column. The
            result then equals its own mirror image with labels exchanged, pixel by pixel.

    Returns:
        uint8 (H, W), one component a lung.

    Raises:
        ValueError: no mask is given, shapes differ, a lung is missing, or nothing is left of a lung in the mean.
    """
    _check(lungs)
    right = [mask == 1 for mask in lungs]
    left = [mask == 2 for mask in lungs]
    if not symmetric:
        return _labels(_mean_distance(right), _mean_distance(left))
    level = _mean_distance([*right, *(mask[:, ::-1] for mask in left)])
    return _labels(level, level[:, ::-1])


def mean_radiograph(reference_lungs: U8, pairs: Iterable[tuple[F32, U8]], symmetric: bool = False) -> F32:
    """Mean image (H, W) of radiographs brought onto the reference lungs by IT-PR in its default settings.

    Args:
        reference_lungs: uint8 (H, W).
        pairs: image float32 in [0, 1] and lungs uint8 of each radiograph. Pass training images only.
        symmetric: average the mean with its mirror image.

    Returns:
        float32 (H, W) in [0, 1].

    Raises:
        ValueError: no radiograph is given, or a lung is missing.
    """
    settings = PrealignmentSettings()
    frame = reference_frame(reference_lungs, settings)
    total, count = np.zeros(reference_lungs.shape), 0
    for image, lungs in pairs:
        total += warp_image(image, prealign(frame, lungs, settings))
        count += 1
    if not count:
        raise ValueError("pairs: expected at least one radiograph, got none; check the split and the status column")
    mean = total / count
    return np.asarray((mean + mean[:, ::-1]) / 2 if symmetric else mean, dtype=np.float32)


def _check(lungs: Sequence[U8]) -> None:
    if not lungs:
        raise ValueError("lungs: expected at least one training mask, got none; check the split and the status column")
    for index, mask in enumerate(lungs):
        if mask.shape != lungs[0].shape:
            raise ValueError(
                f"lungs[{index}]: expected shape {lungs[0].shape} as the first has, got {mask.shape}; "
                "bring all masks to one canvas"
            )
        for label, name in LUNG_NAMES.items():
            if not (mask == label).any():
                raise ValueError(f"lungs[{index}]: the {name} is missing; leave rejected images out")


def _mean_distance(masks: Sequence[Bools]) -> Floats:
    """Mean over posed lungs of the signed distance (H, W) to the outline, px."""
    poses = [_pose(mask) for mask in masks]
    center = np.mean([middle for middle, _ in poses], axis=0)
    scale = float(np.mean([root for _, root in poses]))
    total = np.zeros(masks[0].shape)
    for mask, (middle, root) in zip(masks, poses, strict=True):
        total += _posed_distance(mask, middle - root / scale * center, root / scale)
    return total / len(masks)


def _pose(mask: Bools) -> tuple[Floats, float]:
    """Centroid (x, y) of a lung and the root of its area, px."""
    y, x = np.nonzero(mask)
    return np.array([x.mean(), y.mean()]), float(np.sqrt(len(y)))


def _posed_distance(mask: Bools, offset: Floats, factor: float) -> Floats:
    """Signed distance (H, W) read at ``factor * p + offset`` and in pixels of p."""
    matrix = np.column_stack([factor * np.eye(2), offset])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    distance = signed_distance(mask)
    posed = cv2.warpAffine(distance, matrix, mask.shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(posed, dtype=np.float64) / factor


def _labels(right: Floats, left: Floats) -> U8:
    lungs = np.zeros(right.shape, np.uint8)
    # a pixel that is as deep in either lung is given to neither, which a mirror leaves alone
    lungs[_largest((right > 0) & (right > left))] = 1
    lungs[_largest(((left > 0) & (left > right))[:, ::-1])[:, ::-1]] = 2
    for label, name in LUNG_NAMES.items():
        if not (lungs == label).any():
            raise ValueError(f"lungs: nothing is left of the {name} in the mean; the masks lie too far apart")
    return lungs


def _largest(mask: Bools) -> Bools:
    return largest_component(np.ascontiguousarray(mask))
