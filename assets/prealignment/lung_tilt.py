"""Position and tilt of a pair of lungs in an image, and rotation of one lung's mask."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Patch = tuple[npt.NDArray[np.float32], tuple[int, int]]

LUNG_NAMES = {1: "patient-right lung (label 1)", 2: "patient-left lung (label 2)"}


@dataclass(frozen=True)
class Upright:
    """Rotation of an image about a point, used to bring lungs to the reference's tilt.

    Attributes:
        center: (x, y), px: stays where it is.
        angle: radians; positive turns the x axis towards the y axis (clockwise on a screen).
    """

    center: Floats
    angle: float

    def apply(self, points: Floats, backward: bool = False) -> Floats:
        """Points (K, 2) of the image in the upright frame, or with ``backward`` the other way round."""
        if self.angle == 0:
            return points
        angle = -self.angle if backward else self.angle
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.asarray((points - self.center) @ np.array([[cosine, sine], [-sine, cosine]]) + self.center)


@dataclass(frozen=True)
class PosedLungs:
    """Both lungs cut out, and the rotation that brings them upright.

    Attributes:
        patches: mask and (x, y) of its first pixel in the image, by label.
        upright: rotation about the middle of both centroids.
        tilt: of the lungs as they lie in the image, radians.
        height: rows of the image.
    """

    patches: dict[int, Patch]
    upright: Upright
    tilt: float
    height: int


def posed_lungs(lungs: npt.NDArray[np.uint8], tilt: float | None = None, limit: float = np.pi) -> PosedLungs:
    """Cut both lungs (H, W) out and find the rotation, of at most ``limit`` radians, that gives them a tilt.

    Args:
        lungs: labels 1 = patient-right, 2 = patient-left.
        tilt: of the reference lungs; None leaves the lungs as they lie.
        limit: largest rotation, radians.

    Raises:
        ValueError: a lung is missing.
    """
    patches = {label: lung_patch(lungs, label) for label in LUNG_NAMES}
    centers = lung_centers(patches.values())
    own = tilt_of(centers)
    angle = 0.0 if tilt is None else float(np.clip(tilt - own, -limit, limit))
    return PosedLungs(patches, Upright(centers.mean(axis=0), angle), own, lungs.shape[0])


def lung_patch(lungs: npt.NDArray[np.uint8], label: int) -> Patch:
    """One lung cut out as a float mask with a margin of one empty pixel.

    Returns:
        The patch (h, w), 0 or 1, and the (x, y) of its first pixel in the image.

    Raises:
        ValueError: the lung is missing.
    """
    mask = lungs == label
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if width == 0:
        raise ValueError(
            f"lungs: the {LUNG_NAMES[label]} is missing; expected both lungs, segment again or reject the image"
        )
    patch = np.zeros((height + 2, width + 2), np.float32)
    patch[1:-1, 1:-1] = mask[top : top + height, left : left + width]
    return patch, (left - 1, top - 1)


def rotate_patch(patch: npt.NDArray[np.float32], origin: tuple[int, int], upright: Upright) -> Patch:
    """The patch of a lung, interpolated in the upright frame, and the (x, y) of its first pixel there."""
    height, width = patch.shape
    corners = np.array(list(product((0, width - 1), (0, height - 1)))) + np.array(origin)
    turned = upright.apply(corners.astype(np.float64))
    low, high = np.floor(turned.min(axis=0)).astype(int) - 1, np.ceil(turned.max(axis=0)).astype(int) + 1
    # columns of the matrix are the images of the axes: upright patch coordinates -> source patch coordinates
    axes = np.array([(0, 0), (1, 0), (0, 1)], dtype=np.float64)
    basis = upright.apply(low + axes, backward=True)
    basis -= np.array(origin)
    matrix = np.column_stack([basis[1] - basis[0], basis[2] - basis[0], basis[0]])
    size = (int(high[0] - low[0] + 1), int(high[1] - low[1] + 1))
    soft = cv2.warpAffine(patch, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return np.asarray(soft, dtype=np.float32), (int(low[0]), int(low[1]))


def lung_centers(patches: Iterable[Patch]) -> Floats:
    """Centroids (K, 2) of lungs cut out by `lung_patch`, columns (x, y) of the image."""
    centers = []
    for patch, (x, y) in patches:
        across, down = patch.sum(axis=0, dtype=np.float64), patch.sum(axis=1, dtype=np.float64)
        total = across.sum()
        centers.append((x + across @ np.arange(len(across)) / total, y + down @ np.arange(len(down)) / total))
    return np.array(centers)


def tilt_of(centers: Floats) -> float:
    """Angle of the line from the patient-right to the patient-left centroid, radians, positive clockwise."""
    across, down = centers[1] - centers[0]
    return float(np.arctan2(down, across))
