"""Linear model of a lung's shape, after Cootes et al. (Computer Vision and Image Understanding 61(1), 1995).

A lung is brought to one area and position on a small grid and described by its signed distances there, cut off
away from the outline. Left lungs are mirrored, so one model holds for both sides: few masks suffice, and the
mirrored image of a patient is judged like the patient.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from assets.segmenter.damage import signed_distance

Bools = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_GRID = 48
_ROOT_AREA = 20.0
_REACH = 5.0
_LIMIT = 2.5
_FARTHEST = 10.0


@dataclass(frozen=True, eq=False)
class ShapeModel:
    """Mean and main directions of variation of a lung's signed distances on the 48 x 48 grid.

    Attributes:
        mean: (G,) float32, G = 48 * 48.
        directions: (K, G) float32, orthonormal rows, the largest variation first.
        deviations: (K,) float32, standard deviation of the training lungs along each direction, > 0.
    """

    mean: F32
    directions: F32
    deviations: F32

    def to_arrays(self) -> dict[str, F32]:
        """The model as named arrays."""
        return {"mean": self.mean, "directions": self.directions, "deviations": self.deviations}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "ShapeModel":
        """The model of `to_arrays`.

        Raises:
            ValueError: an array is missing.
        """
        names = ("mean", "directions", "deviations")
        if missing := [name for name in names if name not in arrays]:
            raise ValueError(f"shape model: expected the arrays {', '.join(names)}, without {missing}; fit it again")
        return cls(*(arrays[name].astype(np.float32) for name in names))


@dataclass(frozen=True)
class ShapeFit:
    """How well one lung fits the model.

    Attributes:
        overlap: Dice of the lung with the nearest shape the model allows, 0 to 1; 0 for a missing lung.
        distance: root mean square of the coefficients in standard deviations (Mahalanobis), 0 to 10; 10 for a
            missing lung.
    """

    overlap: float
    distance: float


def fit_shapes(lungs: U8, components: int) -> ShapeModel:
    """Fit the model to the lungs of label maps (N, H, W), 1 = patient-right, 2 = patient-left.

    Missing lungs are left out. Fewer directions result where the lungs span fewer.

    Raises:
        ValueError: fewer than three lungs, or fewer than one component asked for.
    """
    found = [_described(mask) for labels in lungs for mask in upright_lungs(labels) if mask.any()]
    if len(found) < 3 or components < 1:
        raise ValueError(
            f"lungs: expected at least 3 lungs and 1 component, got {len(found)} and {components}; supply more masks"
        )
    shapes = np.stack(found).astype(np.float64)
    mean = shapes.mean(axis=0)
    _, spread, directions = np.linalg.svd(shapes - mean, full_matrices=False)
    kept = min(components, int((spread > 1e-6 * max(spread[0], 1e-6)).sum()), len(found) - 1)
    deviations = np.maximum(spread[:kept] / np.sqrt(len(found) - 1), 1e-6)
    return ShapeModel(mean.astype(np.float32), directions[:kept].astype(np.float32), deviations.astype(np.float32))


def shape_fit(mask: Bools, shapes: ShapeModel) -> ShapeFit:
    """Fit of one lung (H, W), oriented as a patient-right one; see `upright_lungs`.

    The coefficients are limited to 2.5 standard deviations before the nearest shape is drawn, so that no part of a
    mask that no training lung has can be copied. Position and size of the lung do not count.
    """
    if not mask.any():
        return ShapeFit(0.0, _FARTHEST)
    described = _described(mask)
    scores = shapes.directions @ (described - shapes.mean) / shapes.deviations
    nearest = shapes.mean + (np.clip(scores, -_LIMIT, _LIMIT) * shapes.deviations) @ shapes.directions
    inside, expected = described > 0, nearest > 0
    total = int(inside.sum()) + int(expected.sum())
    overlap = 2 * int((inside & expected).sum()) / total if total else 0.0
    distance = float(np.sqrt(np.mean(scores.astype(np.float64) ** 2))) if len(scores) else 0.0
    return ShapeFit(overlap, min(distance, _FARTHEST))


def upright_lungs(lungs: U8) -> tuple[Bools, Bools]:
    """Patient-right and patient-left lung (H, W) of a label map, the left one mirrored to look like a right one."""
    return lungs == 1, (lungs == 2)[:, ::-1]


def _described(mask: Bools) -> F32:
    """Signed distances (G,) of a non-empty lung with its centroid in the grid's middle and its area 20 x 20."""
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    scale = np.sqrt(moments["m00"]) / _ROOT_AREA
    x, y = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    middle = (_GRID - 1) / 2
    matrix = np.array([[scale, 0, x - scale * middle], [0, scale, y - scale * middle]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), max(scale / 2, 0.1))
    cells = np.asarray(cv2.warpAffine(soft, matrix, (_GRID, _GRID), flags=flags)) >= 0.5
    return np.clip(signed_distance(cells), -_REACH, _REACH).ravel()
