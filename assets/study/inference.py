"""Several comparisons at once, and what a study of this size could have found."""

from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from assets.evaluation.comparison import Comparison

POWER = 0.8


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted so that the chance of any false finding among them stays at the level.

    Args:
        p_values: of a family of comparisons; None is left out of the family.

    Returns:
        Adjusted values in the same order.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    known = sorted((value, place) for place, value in enumerate(p_values) if value is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (value, place) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * value))
        adjusted[place] = highest
    return adjusted


def detectable(found: Comparison, confidence: float = 0.95, power: float = POWER) -> float | None:
    """Smallest true difference of two areas that the paired test would find, given how the two arms vary together.

    Args:
        found: the comparison as observed; the length of its interval tells its standard error.
        confidence: level of that interval, and of the two-sided test.
        power: chance to find the difference.

    Returns:
        A difference in areas; None where the observed one has no variance.
    """
    # An end that was cut off at 1 or -1 leaves the other.
    half = max(found.high - found.difference, found.difference - found.low)
    if half <= 0:
        return None
    quantile = float(ndtri((1 + confidence) / 2))
    return float(half / quantile * (quantile + ndtri(power)))


def standard_deviation(values: Sequence[float]) -> float | None:
    """Of areas over seeds; None of fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None
