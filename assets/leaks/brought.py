"""A radiograph brought to the reference by a mask, and what the warp itself tells."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from assets.leaks.settings import LeakSettings
from assets.prealignment.lung_coordinates import ReferenceFrame, prealign
from assets.prealignment.warp import warp_image, warp_lungs
from assets.radiographs.photometric import apply_window, lung_window
from assets.scoring.score import mean, top_mean
from assets.shortcuts.plain import jacobian_determinant
from assets.translation.codes import codes_of
from assets.translation.domain import prepare

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]

# Where a map all but folds the logarithm would say more of the grid than of the lung.
_SMALLEST_DETERMINANT = 0.05


@dataclass(frozen=True)
class Brought:
    """One radiograph in the reference frame, kept small: a comparison holds many.

    Attributes:
        image: (1, S, S) codes of the prepared image, see `assets.translation.codes`.
        mask: (1, S, S) uint8, 255 where the soft mask is 1.
        field: (D,) float32, the displacement inside the reference lungs on a coarse grid, pixels of the canvas.
        log_jacobian_mean: mean |log det J| in the reference lungs.
        log_jacobian_top5: mean of its highest share.
    """

    image: U16
    mask: U8
    field: F32
    log_jacobian_mean: float
    log_jacobian_top5: float


def bring(
    image: F32, lungs: U8, reference: ReferenceFrame, percentiles: tuple[float, float], settings: LeakSettings
) -> Brought:
    """IT-PR, window and soft cut-out of a radiograph, all by one mask.

    Args:
        image: (H, W) in [0, 1], before its window.
        lungs: (H, W) labels of both lungs.
        reference: the cohort's reference.
        percentiles: of the lungs' pixels, that become black and white.
        settings: sizes.

    Raises:
        ValueError: a lung is missing, too small or flat.
    """
    displacement = prealign(reference, lungs, reference.settings)
    windowed = apply_window(image, *lung_window(image, lungs, *percentiles))
    prepared, masks = prepare(
        warp_image(windowed, displacement)[None], warp_lungs(lungs, displacement)[None], settings.size
    )
    if not bool((masks >= 0.5).any()):
        raise ValueError("lungs: expected a pixel of lung at the size of the comparison, found none")
    inside = reference.lungs > 0
    change = log_jacobian(displacement)[inside]
    return Brought(
        codes_of(prepared)[0],
        np.rint(masks[0].numpy() * 255).astype(np.uint8),
        coarse_field(displacement, reference.lungs, settings.field_side),
        mean(change),
        top_mean(change, settings.top_share),
    )


def log_jacobian(displacement: F32) -> F32:
    """|log det J| (H, W) of a backward map: 0 where areas are kept, the same for doubled and halved ones."""
    determinant = np.maximum(jacobian_determinant(displacement), _SMALLEST_DETERMINANT)
    return np.abs(np.log(determinant)).astype(np.float32)


def coarse_field(displacement: F32, lungs: U8, side: int) -> F32:
    """A displacement (2, H, W) where the lungs (H, W) lie, averaged on a grid of `side` pixels; (D,)."""
    small = [_shrunk(channel, side) for channel in (*displacement, (lungs > 0).astype(np.float32))]
    inside = small[2] >= 0.5
    return np.concatenate([small[0][inside], small[1][inside]])


def _shrunk(image: F32, side: int) -> F32:
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA), dtype=np.float32)
