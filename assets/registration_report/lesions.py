"""What a registration does to a lesion: its size, and how it stands out from the tissue around it.

A registration to a healthy reference can make a lesion vanish by squeezing it, which looks like a good match. Both
measures are 1 where the lesion came through as it was.

The contrast is that of the same tissue before and after: lesion and ring are marked once, in the moving image, and
carried by the map together with their intensities. A ring drawn anew around the carried lesion would lie on other ribs
and vessels, and the contrast would change by anatomy: on phantoms under their true map the middle 80 % of the ratios
then spread over 0.87 to 1.13, those of the carried ring over 0.985 to 1.015. A carried mean takes its pixels from
inside its mask alone, so what remains is how the map weighs the parts of lesion and ring: it falls where the dense core
is squeezed more than the rim. The dimming of sharp edges by interpolation, alike in every method, is left out.

The contrast cannot show that a lesion is washed out by squeezing it as a whole: the mask is carried with its pixels and
shrinks with them. The area shows squeezing, the contrast shows dimming; neither says that a lesion is preserved
without the other.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from assets.prealignment.warp import read_positions

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

RING = (3 / 256, 9 / 256)
"""Inner and outer radius of the ring around a lesion, as fractions of the image height; nearer lies its soft border."""
FAINTEST = 0.03
"""A contrast below this, on images in [0, 1], is anatomy rather than lesion: its ratio says nothing."""


@dataclass(frozen=True)
class LesionRatios:
    """How much of a lesion a registration left.

    Attributes:
        area: of the carried lesion over that under the true map; 0 where it vanished or left the image.
        contrast: lesion against its ring, after over before; None where less than a pixel of either is left, where the
            lesion fills its lung and has no ring, or where it stood out by less than `FAINTEST` before.
    """

    area: float
    contrast: float | None


def lesion_preservation(
    image: F32, lesion: Mask, displacement: F32, true_displacement: F32, *, lungs: U8
) -> LesionRatios:
    """Area and contrast of a lesion after registration, in the measure of what should be left of it.

    The area is the sum of the lesion's soft mask after the warp, which the true map makes the integral of its Jacobian
    determinant over the lesion as the reference sees it.

    Args:
        image: (H, W) float32 in [0, 1], the moving radiograph.
        lesion: (H, W) bool, on the moving image.
        displacement: (2, H, W), pixels, backward map, reference grid -> moving image.
        true_displacement: the same of the true correspondence.
        lungs: (H, W) labels of the moving image; the ring keeps to them.

    Raises:
        ValueError: shapes don't belong together, the lesion is empty, or the true map does not show it.
    """
    if not image.shape == lesion.shape == lungs.shape:
        raise ValueError(f"lesion {lesion.shape} and lungs {lungs.shape} must have the shape {image.shape} of image")
    lesion = lesion.astype(bool)
    expected = float(_carried(lesion, true_displacement).sum())
    if expected < 1:
        raise ValueError(
            f"lesion: expected a pixel or more under the true map, got {expected:.2f} of {int(lesion.sum())} pixels; "
            "leave this radiograph out of the lesions"
        )
    area = float(_carried(lesion, displacement).sum())
    return LesionRatios(area / expected, _contrast_ratio(image, lesion, lesion_ring(lesion, lungs), displacement))


def lesion_ring(lesion: Mask, lungs: U8) -> Mask:
    """Lung tissue (H, W) at the distances `RING` from a lesion; empty where the lesion fills the lungs."""
    away = distance_transform_edt(~lesion) / lesion.shape[0]
    ring: Mask = (away >= RING[0]) & (away <= RING[1]) & (lungs > 0)
    return ring


def _contrast_ratio(image: F32, lesion: Mask, ring: Mask, displacement: F32) -> float | None:
    inside, around = (_carried_mean(image, mask, displacement) for mask in (lesion, ring))
    if inside is None or around is None:
        return None
    contrast = float(image[lesion].mean(dtype=np.float64) - image[ring].mean(dtype=np.float64))
    return (inside - around) / contrast if abs(contrast) >= FAINTEST else None


def _carried_mean(image: F32, mask: Mask, displacement: F32) -> float | None:
    weight = float(_carried(mask, displacement).sum())
    return float(_carried(image * mask, displacement).sum()) / weight if weight >= 1 else None


def _carried(values: npt.NDArray[np.generic], displacement: F32) -> npt.NDArray[np.float64]:
    """Values (H, W) of the moving image, zero beyond its border, on the reference grid."""
    x, y = read_positions(displacement)
    moving = np.ascontiguousarray(values, dtype=np.float32)
    return np.asarray(cv2.remap(moving, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), dtype=np.float64)
