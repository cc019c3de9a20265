"""Pictures of the registration: deformation grids with their folds, and the training's losses."""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from assets.charts import history_panels
from assets.pictures import GREEN, RED, contact_sheet, fitted, fitted_labels, to_rgb

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def field_sheet(warped: F32, displacement: F32, folded: Mask, side: int = 320, spacing: float = 16.0) -> U8:
    """A warped radiograph under the grid that the field bends; folded pixels are red.

    Convention:
        the lines are those of a square grid stamped on the moving image and warped with it: where
        x + u_x(p) or y + u_y(p) is a multiple of `spacing`, on the fixed grid. They lie wide apart where the
        field magnifies.

    Args:
        warped: (H, W) in [0, 1], on the fixed grid.
        displacement: (2, H, W), pixels, backward, channel 0 = x.
        folded: (H, W) bool.
        side: longer side of the picture in pixels.
        spacing: of the grid, in pixels of the moving image.

    Returns:
        (h, w, 3) uint8, the share of folded pixels underneath.

    Raises:
        ValueError: shapes do not belong together.
    """
    height, width = warped.shape
    if displacement.shape != (2, height, width) or folded.shape != warped.shape:
        raise ValueError(f"displacement {displacement.shape} and folded {folded.shape} must fit warped {warped.shape}")
    picture = to_rgb(fitted(warped, side))
    size = (picture.shape[1], picture.shape[0])
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    # coordinates interpolate without loss, lines drawn before scaling would not
    across, down = (
        cv2.resize(position + shift, size, interpolation=cv2.INTER_LINEAR)
        for position, shift in zip((columns, rows), displacement, strict=True)
    )
    opacity = 0.75 * np.maximum(_lines(across, spacing), _lines(down, spacing))[..., None]
    blended = np.asarray(np.round((1 - opacity) * picture + opacity * np.array(GREEN)), dtype=np.uint8)
    # one folded pixel must stay visible
    folds = np.asarray(cv2.dilate(folded.astype(np.uint8), np.ones((3, 3), np.uint8)), dtype=np.uint8)
    blended[fitted_labels(folds, side) > 0] = RED
    caption = f"grid of {spacing:g} px, folded: {100 * folded.mean():.3f} % of the pixels"
    return contact_sheet([blended], 1, [caption])


def loss_curve(history: Sequence[Mapping[str, float]]) -> U8:
    """One panel a loss over the training's steps."""
    return history_panels(history)


def _lines(coordinate: F32, spacing: float) -> F32:
    """Share of each pixel covered by lines one pixel wide, from the distance to the nearest multiple."""
    away = np.abs((coordinate + spacing / 2) % spacing - spacing / 2)
    slope = np.hypot(*np.gradient(coordinate))
    coverage: F32 = np.clip(1 - away / np.maximum(slope, 1e-3), 0, 1).astype(np.float32)
    return coverage
