"""Kernel Inception Distance on any features: how far two sets of images are apart, and how far that means nothing.

No network pretrained on radiographs can be had without a download, so the features are those of the independent
classifier (`classifier.py`): values compare trainings of one cohort and frame, not papers.
"""

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]

DIVISIONS = 1000
# Fewer than four and four can be divided in too few ways to tell 5 % of them.
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
    """Discrepancy of made and real images: one unbiased estimate over all of them, without subsets.

    Args:
        made: features (N, D) of translations.
        real: features (M, D) of real images.

    Returns:
        None where either has fewer than four images.

    Raises:
        ValueError: features of different lengths.
    """
    return squared_mmd(made, real) if _enough(made, real) else None


def kid_floor(made: F64, real: F64) -> float | None:
    """What `kid` may well be where nothing differs: about 5 % of such comparisons exceed it.

    The 95th percentile of the same estimate over random divisions of the pooled images into sets of the same two
    sizes. The division at hand is one of them, so that the level holds for any number of draws. It belongs to these
    translations: others have another floor, and a higher one the farther off they are.

    Args:
        made: features (N, D) of translations.
        real: features (M, D) of real images.

    Returns:
        None where either has fewer than four images.

    Raises:
        ValueError: features of different lengths.

    Source: permutation test of Gretton et al. 2012, JMLR 13:723; the division at hand among the draws by Phipson and
        Smyth 2010, Permutation P-values Should Never Be Zero.
    """
    if not _enough(made, real):
        return None
    pooled = np.concatenate([made, real])
    at_hand = np.arange(len(pooled)) < len(made)
    drawn = np.random.default_rng(_SEED).permuted(np.tile(at_hand, (DIVISIONS - 1, 1)), axis=1)
    found = _of_divisions(polynomial_kernel(pooled, pooled), np.vstack([at_hand, drawn]))
    return float(np.quantile(found, _FLOOR, method="higher"))


def _enough(made: F64, real: F64) -> bool:
    return min(len(made), len(real)) >= FEWEST


def _of_divisions(kernel: F64, chosen: npt.NDArray[np.bool_]) -> F64:
    """`squared_mmd` of chosen against other rows, (P,), from the kernel (T, T) of all and rows (P, T) of choices."""
    pairs = kernel - np.diag(np.diag(kernel))
    first, second = chosen.astype(np.float64), (~chosen).astype(np.float64)
    m, n = first.sum(axis=1), second.sum(axis=1)
    of_first, of_second = first @ pairs, second @ pairs
    within = (of_first * first).sum(axis=1) / (m * (m - 1)) + (of_second * second).sum(axis=1) / (n * (n - 1))
    estimates: F64 = within - 2 * (of_first * second).sum(axis=1) / (m * n)
    return estimates


def _within(features: F64) -> float:
    kernel, count = polynomial_kernel(features, features), len(features)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))
