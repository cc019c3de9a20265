"""The harmonic map between the outlines of two pairs of lungs (mode harmonic).

Outlines are matched by arc length between three anchors a lung (`arc_outline`). Between them, inside the lungs and
outside at once, the displacement solves Laplace's equation with what the outlines prescribe, to within a fraction
of a pixel; at the image's border its normal derivative vanishes. Nothing forbids folds, but they are rare.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array, diags_array, eye_array, kron
from scipy.sparse.linalg import SuperLU, splu

from assets.prealignment.arc_outline import ArcOutline

Floats = npt.NDArray[np.float64]
F32 = npt.NDArray[np.float32]
ArcOutlines = dict[int, ArcOutline]

_CELL = 2
_PULL = 5.0


@dataclass(frozen=True)
class HarmonicMap:
    """What the harmonic mode keeps of the reference lungs.

    Attributes:
        size: (H, W) of the reference grid.
        cells: (h, w) of the coarser grid that the equation is solved on.
        outlines: of both reference lungs, by label.
        reading: (K, h * w), bilinear interpolation from the coarser grid to the K points of all outlines.
        factors: of the equation's matrix.
    """

    size: tuple[int, int]
    cells: tuple[int, int]
    outlines: ArcOutlines
    reading: csr_array
    factors: SuperLU


def harmonic_map(size: tuple[int, int], outlines: ArcOutlines) -> HarmonicMap:
    """Set up and factorize the equation for reference lungs with these outlines on a grid (H, W)."""
    cells = (-(-size[0] // _CELL), -(-size[1] // _CELL))
    points = np.concatenate([outline.points[:-1] for outline in outlines.values()])
    reading = _bilinear(points, size, cells)
    # the outlines lie between grid points, so they pull instead of fixing values; a pull as soft as this lets the
    # teeth of a jagged outline, which would fold the field, pass and costs intact ones a thousandth of their Dice
    matrix = _laplacian(cells) + _PULL * (reading.T @ reading)
    symmetric = {"SymmetricMode": True}
    factors = splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=symmetric)
    return HarmonicMap(size, cells, outlines, reading, factors)


def harmonic_displacement(reference: HarmonicMap, targets: ArcOutlines) -> F32:
    """Backward displacement (2, H, W), px, from the reference grid to lungs with these outlines."""
    wanted = [
        targets[label].at(outline.along[:-1]) - outline.points[:-1] for label, outline in reference.outlines.items()
    ]
    solved = reference.factors.solve(_PULL * (reference.reading.T @ np.concatenate(wanted)))
    height, width = reference.size
    planes = [
        cv2.resize(plane.reshape(reference.cells).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
        for plane in solved.T
    ]
    return np.stack([np.asarray(plane, dtype=np.float32) for plane in planes])


def _bilinear(points: Floats, size: tuple[int, int], cells: tuple[int, int]) -> csr_array:
    """Weights (K, h * w) that read a coarser grid at points (K, 2) as OpenCV's enlargement to the full grid does."""
    ratio = np.array([cells[1] / size[1], cells[0] / size[0]])
    limit = np.array([cells[1] - 1, cells[0] - 1])
    place = np.clip((points + 0.5) * ratio - 0.5, 0, limit)
    first = np.minimum(place.astype(np.intp), np.maximum(limit - 1, 0))
    part = place - first
    rows, columns, weights = [], [], []
    for dy in (0, 1):
        for dx in (0, 1):
            columns.append((first[:, 1] + dy) * cells[1] + first[:, 0] + dx)
            weights.append(np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1]))
            rows.append(np.arange(len(points)))
    entries = np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))
    return coo_array(entries, shape=(len(points), cells[0] * cells[1])).tocsr()


def _laplacian(cells: tuple[int, int]) -> csr_array:
    """Five-point Laplacian (n, n), positive semidefinite, without flow across the border."""
    height, width = cells
    down, across = _second_difference(height), _second_difference(width)
    return (kron(down, eye_array(width)) + kron(eye_array(height), across)).tocsr()


def _second_difference(count: int) -> csr_array:
    main = np.full(count, 2.0)
    main[[0, -1]] = 1
    return diags_array([main, -np.ones(count - 1), -np.ones(count - 1)], offsets=[0, 1, -1]).tocsr()
