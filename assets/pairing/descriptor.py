"""What pairs are compared by: a coarse image of the lungs, and the lungs' shape before registration.

A thumbnail has `SIDE` x `SIDE` cells of 8 bits: 0 where less than half of a cell is lung, else 1 to 255 for the mean of
its lung pixels. It keeps exposure, diaphragm and large opacities, and none of the ribs and vessels.
"""

import cv2
import numpy as np
import numpy.typing as npt

from assets.prealignment.lung_tilt import LUNG_NAMES, lung_centers, lung_patch, tilt_of

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

SIDE = 32
SHAPES = 8
SMALLEST_OVERLAP = 16

_COARSE = 16
_BLOCK = 4096
_PAIRS_AT_ONCE = 512
_FLAT = 1e-6


def thumbnail(image: F32, lungs: U8) -> U8:
    """Coarse lungs (SIDE, SIDE) of an image (H, W) in [0, 1] with its lung labels (H, W)."""
    inside = (lungs > 0).astype(np.float32)
    share, total = (_coarse(plane) for plane in (inside, image * inside))
    mean = total / np.maximum(share, 0.5)
    return np.where(share >= 0.5, np.rint(1 + 254 * np.clip(mean, 0, 1)), 0).astype(np.uint8)


def lung_shape(lungs: U8) -> F32:
    """Shape and size of a pair of lungs (H, W), whatever their place: float32 (SHAPES,).

    Logarithms of height and width of either lung and of the distance of their centers, in canvas heights, of the ratio
    of their areas and of their area in all; and the tilt in radians.

    Raises:
        ValueError: a lung is missing.
    """
    patches = [lung_patch(lungs, label) for label in LUNG_NAMES]
    centers = lung_centers(patches)
    areas = np.array([float(patch.sum()) for patch, _ in patches]) / lungs.size
    boxes = [side / lungs.shape[0] for patch, _ in patches for side in (patch.shape[0] - 2, patch.shape[1] - 2)]
    apart = float(np.hypot(*(centers[1] - centers[0]))) / lungs.shape[0]
    measures = np.log([*boxes, apart, areas[0] / areas[1], areas.sum()])
    return np.array([*measures, tilt_of(centers)], dtype=np.float32)


def similarity(thumbnails: U8, pairs: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """Correlation (M,) in [-1, 1] of pairs (M, 2) of thumbnails (N, SIDE, SIDE) in the cells that both have.

    NaN where they share fewer than `SMALLEST_OVERLAP` cells or one is flat there.
    """
    flat = thumbnails.reshape(len(thumbnails), SIDE**2)
    blocks = [pairs[start : start + _PAIRS_AT_ONCE] for start in range(0, len(pairs), _PAIRS_AT_ONCE)]
    return np.concatenate([np.zeros(0), *(_correlation(flat[block[:, 0]], flat[block[:, 1]]) for block in blocks)])


def nearness_vectors(thumbnails: U8, shapes: F32, shape_weight: float) -> F32:
    """Vectors (N, D) whose Euclidean distance says how alike lungs are in coarse appearance and in shape.

    Appearance is standardised in each radiograph's own lungs, so exposure has no part in it; shape over all
    radiographs. Both are scaled to a total variance of one and then weighted, so the squared distance of two
    radiographs drawn at random is 2 on average.

    Args:
        thumbnails: (N, SIDE, SIDE), of the registered radiographs.
        shapes: (N, SHAPES), of `lung_shape` before registration.
        shape_weight: share of the shape in the squared distance; the rest is appearance.
    """
    blocks = [thumbnails[start : start + _BLOCK] for start in range(0, len(thumbnails), _BLOCK)]
    appearance = np.concatenate([_appearance(block) for block in blocks])
    spread = shapes.std(axis=0)
    shape = (shapes - shapes.mean(axis=0)) / np.where(spread > _FLAT, spread, 1)
    parts = [(appearance, 1 - shape_weight), (shape, shape_weight)]
    return np.concatenate([_scaled(part, weight) for part, weight in parts if weight], axis=1)


def _coarse(plane: F32) -> F32:
    return np.asarray(cv2.resize(plane, (SIDE, SIDE), interpolation=cv2.INTER_AREA), dtype=np.float32)


def _correlation(first: U8, second: U8) -> npt.NDArray[np.float64]:
    both = ((first > 0) & (second > 0)).astype(np.float64)
    count = both.sum(axis=1)
    one, other = (_centered(values, both, count) for values in (first, second))
    spread = np.sqrt((one * one).sum(axis=1) * (other * other).sum(axis=1))
    known = (count >= SMALLEST_OVERLAP) & (spread > _FLAT)
    return np.where(known, (one * other).sum(axis=1) / np.where(known, spread, 1), np.nan)


def _centered(values: U8, weights: npt.NDArray[np.float64], count: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    mean = (values * weights).sum(axis=1) / np.maximum(count, 1)
    return np.asarray((values - mean[:, None]) * weights)


def _appearance(thumbnails: U8) -> F32:
    """Standardised lungs (N, COARSE**2), nothing outside them."""
    values = thumbnails.reshape(len(thumbnails), -1).astype(np.float32)
    inside = (values > 0).astype(np.float32)
    count = np.maximum(inside.sum(axis=1, keepdims=True), 1)
    centered = (values - values.sum(axis=1, keepdims=True) / count) * inside
    spread = np.sqrt((centered**2).sum(axis=1, keepdims=True) / count)
    standard = centered / np.where(spread > _FLAT, spread, 1)
    cell = SIDE // _COARSE
    sums, counts = (part.reshape(-1, _COARSE, cell, _COARSE, cell).sum(axis=(2, 4)) for part in (standard, inside))
    return np.asarray((sums / np.maximum(counts, 1)).reshape(len(thumbnails), -1), dtype=np.float32)


def _scaled(part: F32, weight: float) -> F32:
    varying = part[:, part.std(axis=0) > _FLAT]
    total = float(varying.var(axis=0).sum())
    return np.asarray(varying * np.sqrt(weight / total) if total else varying, dtype=np.float32)
