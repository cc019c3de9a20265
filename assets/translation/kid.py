"""Kernel Inception Distance on any features: how far two sets of images are apart, and how far that means nothing.

No network pretrained on radiographs can be had without a download, so the features are those of the independent
classifier (`classifier.py`): values compare trainings of one cohort and frame, not papers.
"""

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

SUBSETS = 100
# Half of so few images is no sample.
FEWEST = 4
_SEED = 0
_FLOOR = 0.95


def polynomial_kernel(first: F64, second: F64) -> F64:
    """Cubic kernel (x . y / D + 1)^3 of features (N, D) and (M, D): (N, M)."""
    kernel: F64 = (first @ second.T / first.shape[1] + 1) ** 3
    return kernel


def squared_mmd(first: F64, second: F64) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy of two samples (N, D) and (M, D).

    It is 0 on average for samples of one distribution, and so negative half of the time.

    Raises:
        ValueError: fewer than two rows, or features of different lengths.

    Source: Gretton et al. 2012, A Kernel Two-Sample Test, lemma 6; with the cubic kernel KID of Binkowski et al. 2018,
        arXiv:1801.01401.
    """
    if min(len(first), len(second)) < 2 or first.shape[1:] != second.shape[1:]:
        raise ValueError(f"features {first.shape} and {second.shape} must be (N, D) and (M, D) of two rows or more")
    between = polynomial_kernel(first, second).mean()
    return float(_within(first) + _within(second) - 2 * between)


def kid(made: F64, real: F64) -> float | None:
    """Mean discrepancy of made and real images over random subsets, half of the smaller set each.

    Args:
        made: features (N, D) of translations.
        real: features (M, D) of real images.

    Returns:
        None where either has fewer than four images.
    """
    if min(len(made), len(real)) < FEWEST:
        return None
    rng, size = np.random.default_rng(_SEED), min(len(made), len(real)) // 2
    drawn = [(rng.permutation(len(made))[:size], rng.permutation(len(real))[:size]) for _ in range(SUBSETS)]
    return float(np.mean([squared_mmd(made[rows], real[others]) for rows, others in drawn]))


def kid_floor(real: F64) -> float | None:
    """What `kid` may well be where nothing differs: the 95th percentile over splits of the real images in two halves.

    Their mean would say nothing, for it is 0 whatever the images.

    Returns:
        None where there are fewer than four images.
    """
    if len(real) < FEWEST:
        return None
    rng, size = np.random.default_rng(_SEED), len(real) // 2
    orders = [rng.permutation(len(real)) for _ in range(SUBSETS)]
    halves = [squared_mmd(real[order[:size]], real[order[size : 2 * size]]) for order in orders]
    return float(np.quantile(halves, _FLOOR))


def _within(features: F64) -> float:
    kernel, count = polynomial_kernel(features, features), len(features)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))
