"""IT-PR: closed-form map of both lungs into the frame of one reference lung.

Each lung is mapped by its own lung coordinates (`lung_outline`); around the lungs the two maps are extended
smoothly (`extension`). Nothing is learned and no image intensity is read. Reading of Oh, Kim, Lim et al., Sci
Rep 2026 (doi 10.1038/s41598-026-39979-2), whose formula is not public.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from assets.prealignment.extension import FillPyramid, blend, fill, fill_pyramid
from assets.prealignment.lung_outline import (
    LungOutline,
    box_outline,
    corresponding_rows,
    limited,
    row_outline,
    transfer,
)
from assets.prealignment.lung_tilt import (
    LUNG_NAMES,
    Upright,
    lung_centers,
    lung_patch,
    rotate_patch,
    tilt_of,
)
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import sample

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class LungNeighborhood:
    """Pixels of the reference grid that one reference lung maps, with their lung coordinates.

    Attributes:
        pixels: flat indices (K,) into the grid.
        x: columns (K,).
        y: rows (K,).
        row: index (K,) into ``heights``.
        heights: the distinct rows, as heights in px.
        u: lung coordinate across (K,), limited to 0..1.
        beyond: signed distance (K,) past the left (negative) or right border, px.
    """

    pixels: npt.NDArray[np.intp]
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    row: npt.NDArray[np.intp]
    heights: Floats
    u: npt.NDArray[np.float32]
    beyond: npt.NDArray[np.float32]


@dataclass(frozen=True)
class ReferenceFrame:
    """What depends on the reference lungs only; built by `reference_frame`."""

    lungs: npt.NDArray[np.uint8]
    settings: PrealignmentSettings
    tilt: float
    outlines: dict[int, LungOutline]
    neighborhoods: dict[int, LungNeighborhood]
    pyramid: FillPyramid


def reference_frame(lungs: npt.NDArray[np.uint8], settings: PrealignmentSettings) -> ReferenceFrame:
    """Prepare the frame of the reference lungs (H, W), labels 1 = patient-right, 2 = patient-left.

    Raises:
        ValueError: a lung is missing.
    """
    outlines = {label: _outline(lungs, label, None, settings) for label in LUNG_NAMES}
    height = lungs.shape[0]
    distances = {label: distance_transform_edt(lungs != label) for label in LUNG_NAMES}
    weights = _fade(np.minimum(distances[1], distances[2]), height, settings)
    mine = {1: distances[1] <= distances[2], 2: distances[1] > distances[2]}
    neighborhoods = {label: _neighborhood(outlines[label], (weights > 0) & mine[label]) for label in LUNG_NAMES}
    return ReferenceFrame(lungs, settings, tilt_of(lung_centers(lungs)), outlines, neighborhoods, fill_pyramid(weights))


def prealign(
    frame: ReferenceFrame, lungs: npt.NDArray[np.uint8], settings: PrealignmentSettings
) -> npt.NDArray[np.float32]:
    """Backward displacement field from the reference grid to the radiograph with the given lungs.

    Inside each reference lung: the point with equal lung coordinates in the same lung of the radiograph.
    Close around it: the continuation of that map; further out: a smooth extension of both lungs' maps.

    Args:
        frame: the reference, built with the same settings.
        lungs: uint8 (H, W) of the radiograph, labels 1 = patient-right, 2 = patient-left.
        settings: mode and smoothing.

    Returns:
        float32 (2, H, W) in pixels, channel 0 = x: ``aligned(p) = radiograph(p + u(p))``.

    Raises:
        ValueError: a lung is missing, or the frame was built with other settings.
    """
    upright, outlines = _measure(frame, lungs, settings)
    shape = frame.lungs.shape
    known = np.zeros((shape[0] * shape[1], 2), np.float32)
    for label, target in outlines.items():
        near = frame.neighborhoods[label]
        known[near.pixels] = _known_displacement(frame.outlines[label], target, near, upright)
    values = known.reshape(*shape, 2)
    extension = fill(values, frame.pyramid, blur=settings.feather_margin * shape[0] / 2)
    return np.ascontiguousarray(blend(values, extension, frame.pyramid).transpose(2, 0, 1))


def prealign_points(
    frame: ReferenceFrame,
    lungs: npt.NDArray[np.uint8],
    points: npt.NDArray[np.floating],
    settings: PrealignmentSettings,
) -> Floats:
    """Points of the radiograph in the reference frame: the inverse direction of `prealign`'s image warp.

    Points inside a lung go by the closed form with the roles of the lungs exchanged. Points outside start
    from the closed form of the nearer lung and are then solved for on the extended field (``p + u(p) =
    point``); where the extension folds, the best solution found is returned.

    Args:
        frame: the reference, built with the same settings.
        lungs: uint8 (H, W) of the radiograph.
        points: (K, 2), columns (x, y), px, in the radiograph.
        settings: mode and smoothing.

    Returns:
        float64 (K, 2), columns (x, y), px, in the reference frame.

    Raises:
        ValueError: a lung is missing, the frame was built with other settings, or the points have another
            shape.
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise ValueError(f"points: expected shape (K, 2) with columns (x, y), got {points.shape}")
    upright, outlines = _measure(frame, lungs, settings)
    moving = points.astype(np.float64)
    inside, label = _lung_of(lungs, moving)
    rotated = upright.apply(moving)
    mapped = np.empty_like(moving)
    for key, source in outlines.items():
        chosen = label == key
        mapped[chosen] = transfer(source, frame.outlines[key], rotated[chosen])
    if not inside.all():
        field = prealign(frame, lungs, settings)
        mapped[~inside] = _solve(field, moving[~inside], mapped[~inside])
    return mapped


def _measure(
    frame: ReferenceFrame, lungs: npt.NDArray[np.uint8], settings: PrealignmentSettings
) -> tuple[Upright, dict[int, LungOutline]]:
    """Rotation that brings the lungs to the reference's tilt, and their outlines after it."""
    if settings != frame.settings:
        raise ValueError(
            f"settings: expected those of the reference frame ({frame.settings}), got {settings}; rebuild the frame"
        )
    centers = lung_centers(lungs)
    angle = 0.0
    if settings.mode == "rows_tilt":
        limit = np.deg2rad(settings.tilt_limit_degrees)
        angle = float(np.clip(frame.tilt - tilt_of(centers), -limit, limit))
    upright = Upright(centers.mean(axis=0), angle)
    return upright, {label: _outline(lungs, label, upright, settings) for label in LUNG_NAMES}


def _known_displacement(
    source: LungOutline, target: LungOutline, near: LungNeighborhood, upright: Upright
) -> npt.NDArray[np.float32]:
    # the map is one straight line a row, so everything but the last step is computed once a row, not once a
    # pixel
    y = corresponding_rows(source, target, near.heights)
    left, right = source.borders(near.heights)
    target_left, target_right = target.borders(y)
    width = target_right - target_left
    tables = np.stack([target_left, width, limited(width / (right - left)), y]).astype(np.float32)
    start, span, slope, height = tables[:, near.row]
    # relative to the center, because float32 would lose 1e-5 px on absolute coordinates
    x, y32 = (start + near.u * span + near.beyond * slope), height
    if upright.angle == 0:
        return np.stack([x - near.x, y32 - near.y], axis=1)
    cosine, sine = np.float32(np.cos(upright.angle)), np.float32(np.sin(upright.angle))
    center_x, center_y = np.float32(upright.center[0]), np.float32(upright.center[1])
    x, y32 = x - center_x, y32 - center_y
    return np.stack(
        [
            cosine * x + sine * y32 - (near.x - center_x),
            cosine * y32 - sine * x - (near.y - center_y),
        ],
        axis=1,
    )


def _fade(distance: Floats, height: int, settings: PrealignmentSettings) -> npt.NDArray[np.float32]:
    """Trust in the lung's own map: 1 up to the exact margin, cosine fall to 0 over the feather margin."""
    past = (distance - settings.exact_margin * height) / (settings.feather_margin * height)
    return np.asarray(0.5 + 0.5 * np.cos(np.pi * np.clip(past, 0, 1)), dtype=np.float32)


def _neighborhood(outline: LungOutline, region: npt.NDArray[np.bool_]) -> LungNeighborhood:
    y, x = np.nonzero(region)
    left, right = outline.borders(y.astype(np.float64))
    nearest = np.clip(x, left, right)
    return LungNeighborhood(
        pixels=np.ravel_multi_index((y, x), region.shape),
        x=x.astype(np.float32),
        y=y.astype(np.float32),
        row=y - y.min(),
        heights=np.arange(y.min(), y.max() + 1, dtype=np.float64),
        u=((nearest - left) / (right - left)).astype(np.float32),
        beyond=(x - nearest).astype(np.float32),
    )


def _outline(
    lungs: npt.NDArray[np.uint8], label: int, upright: Upright | None, settings: PrealignmentSettings
) -> LungOutline:
    patch, origin = lung_patch(lungs, label)
    if upright is not None and upright.angle != 0:
        patch, origin = rotate_patch(patch, origin, upright)
    if settings.mode == "box":
        return box_outline(patch, origin)
    return row_outline(patch, origin, settings.row_smoothing * lungs.shape[0], settings)


def _lung_of(lungs: npt.NDArray[np.uint8], points: Floats) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint8]]:
    """Whether each point lies in a lung, and the label of the lung it lies in or is nearest to."""
    height, width = lungs.shape
    column = np.clip(np.rint(points[:, 0]), 0, width - 1).astype(np.intp)
    row = np.clip(np.rint(points[:, 1]), 0, height - 1).astype(np.intp)
    label = lungs[row, column]
    inside = label > 0
    if not inside.all():
        nearest = distance_transform_edt(lungs == 0, return_distances=False, return_indices=True)
        label = lungs[tuple(nearest[:, row, column])]
    return inside, label


def _solve(field: npt.NDArray[np.float32], points: Floats, start: Floats, steps: int = 40) -> Floats:
    """Damped fixed-point iteration for p + u(p) = point, from a first guess; the best p met on the way."""
    current, best = start, start
    best_error = np.full(len(points), np.inf)
    for _ in range(steps):
        residual = current + sample(field, current) - points
        error = np.hypot(residual[:, 0], residual[:, 1])
        better = error < best_error
        best, best_error = np.where(better[:, None], current, best), np.where(better, error, best_error)
        current = current - 0.7 * residual
    return np.asarray(best)
