"""The difference of two arms on the same patients."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from assets.evaluation.bootstrap import bootstrap_areas, percentile_interval
from assets.evaluation.roc import Undefined, delong


@dataclass(frozen=True)
class Comparison:
    """Area of the first score minus the second's, on the same patients.

    Attributes:
        difference: in [-1, 1].
        low: lower end of the interval.
        high: upper end.
        p_value: two-sided, of no difference; None from the bootstrap, which is asked for an interval only.
    """

    difference: float
    low: float
    high: float
    p_value: float | None


def paired_delong(
    first: npt.ArrayLike, second: npt.ArrayLike, labels: npt.ArrayLike, confidence: float = 0.95
) -> Comparison:
    """Test of equal areas of two scores of the same patients.

    The interval is on the plain scale; beside an area of 1 it is too narrow, and `paired_bootstrap` is no better
    there. It does not cover the variance of training: repeat the arm with other seeds for that.

    Args:
        first: (N,) scores of the first arm.
        second: (N,) scores of the second arm.
        labels: (N,), true is abnormal.
        confidence: level of the interval.

    Raises:
        Undefined: a class is missing or has one member, a score is not finite, or the areas differ but their
            difference has no variance (one arm separates the classes, the other reverses them).
        ValueError: shapes differ.

    Source: DeLong et al. 1988, Biometrics 44:837, with the contrast (1, -1).
    """
    pair = np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    areas, covariance = delong(pair, labels)
    difference = float(areas[0] - areas[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if np.isnan(variance):
        raise Undefined("a class has one patient, which gives no variance")
    # equal up to monotone transformation: rounding may leave a variance of 1e-20 either side of 0
    if variance < 1e-15:
        if abs(difference) > 1e-9:
            raise Undefined("the areas differ but neither varies: the classes are separated without exception")
        return Comparison(0.0, 0.0, 0.0, 1.0)
    error = float(np.sqrt(variance))
    half = float(ndtri((1 + confidence) / 2)) * error
    p_value = float(2 * ndtr(-abs(difference) / error))
    return Comparison(difference, max(-1.0, difference - half), min(1.0, difference + half), p_value)


def paired_bootstrap(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    labels: npt.ArrayLike,
    resamples: int,
    rng: np.random.Generator,
    confidence: float = 0.95,
) -> Comparison:
    """Percentile interval of the difference of two areas over stratified resamples of the patients.

    Raises:
        Undefined, ValueError: as `bootstrap_areas`.
    """
    pair = np.stack([np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)])
    areas, _ = delong(pair, labels)
    samples = bootstrap_areas(pair, labels, resamples, rng)
    low, high = percentile_interval(samples[:, 0] - samples[:, 1], confidence)
    return Comparison(float(areas[0] - areas[1]), low, high, None)
