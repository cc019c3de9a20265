"""How sharp the mean of many aligned radiographs is: it sharpens where anatomy came together.

The measure is the mean squared gradient of the mean image. Its gradients are Gaussian derivatives of one pixel: a
warped image was interpolated, which dims the finest detail and the noise, and nobody should read that as worse
alignment or, before alignment, noise as sharpness. Smoothing takes both out of the comparison.

Two further biases remain. The mean of N images keeps 1 / N of the energy of what differs between them; with the same N
before and after it adds the same to both and draws the ratio towards 1, so a gain is understated. And a warp that
shrinks the lungs steepens every edge: compare with an arm of the same scale (the lungs' box), not with none alone.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from assets.evaluation.bootstrap import percentile_interval

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SIGMA = 1.0


@dataclass(frozen=True)
class Gain:
    """Gradient energy of a mean image after alignment over that before.

    Attributes:
        ratio: above 1 is sharper.
        low: lower end of its 95 % bootstrap interval.
        high: upper end.
    """

    ratio: float
    low: float
    high: float


def gradient_energy(mean_image: F32, region: Mask) -> float:
    """Mean over a region of the squared gradient magnitude, per px squared, by Gaussian derivatives of 1 px.

    Args:
        mean_image: (H, W) in [0, 1].
        region: (H, W), such as the reference's lungs dilated by some pixels.

    Raises:
        ValueError: `region` is empty or of another size.
    """
    return float(np.sum(np.square(_gradients(mean_image, region), dtype=np.float64)))


def sharpness_gain(before: F32, after: F32, region: Mask, resamples: int, rng: np.random.Generator) -> Gain:
    """Gain in gradient energy of the mean image, with a 95 % percentile interval over images.

    A resample draws the same images before and after. Gradients of means are means of gradients, so all energies
    follow from the products of the images' gradients. A plain resample holds copies of an image, whose products with
    themselves would pass for sharpness: those are kept at their share 1 / N of the real mean, and pairs are taken
    among different images.

    Args:
        before: (N, H, W) in [0, 1].
        after: (N, H, W), the same radiographs in the same order, one a patient.
        region: (H, W).
        resamples: number of bootstrap samples.
        rng: source of the draws.

    Raises:
        ValueError: stacks of different shapes or below two images, an empty region, or nothing to see before.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13 (percentile interval).
    """
    if before.shape != after.shape or before.ndim != 3 or len(before) < 2:
        raise ValueError(
            f"before {before.shape} and after {after.shape}: expected the same two or more images, (N, H, W)"
        )
    products = [_products(stack, region) for stack in (before, after)]
    sharp_before, sharp_after = (float(product.mean()) for product in products)
    if sharp_before <= 0:
        raise ValueError("before: the mean image has no gradient in region; there is nothing to sharpen")
    counts = rng.multinomial(len(before), np.full(len(before), 1 / len(before)), size=resamples)
    first, second = (_resampled(product, counts / len(before)) for product in products)
    return Gain(sharp_after / sharp_before, *percentile_interval(second / first, 0.95))


def _gradients(image: F32, region: Mask) -> F32:
    """Gradients (2 K,) at the K pixels of a region, scaled so that their squares sum to the mean energy."""
    if region.shape != image.shape or not region.any():
        raise ValueError(
            f"region: expected a pixel or more on the image's grid {image.shape}, got {int(region.sum())} on "
            f"{region.shape}; use the reference's lungs"
        )
    inside = region.astype(bool)
    found = [gaussian_filter(image, _SIGMA, order=order, mode="nearest")[inside] for order in ((0, 1), (1, 0))]
    return np.asarray(np.concatenate(found) / np.sqrt(inside.sum()), dtype=np.float32)


def _products(stack: F32, region: Mask) -> F64:
    """Inner products (N, N) of the images' gradients."""
    gradients = np.stack([_gradients(image, region) for image in stack])
    return (gradients @ gradients.T).astype(np.float64)


def _resampled(products: F64, weights: F64) -> F64:
    """Energies (R,) of resampled means with weights (R, N) that sum to 1."""
    own, square = weights @ np.diag(products), np.square(weights)
    pairs = 1 - square.sum(axis=1)
    between = np.sum((weights @ products) * weights, axis=1) - square @ np.diag(products)
    # where all draws are one image there is no pair
    mutual = np.divide(between, pairs, out=own.copy(), where=pairs > 1e-9)
    share = 1 / products.shape[0]
    energies: F64 = (1 - share) * mutual + share * own
    return energies
