import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel as sklearn_kernel

from assets.translation.kid import FEWEST, kid, kid_floor, polynomial_kernel, squared_mmd


def normal(count: int, seed: int, shift: float = 0.0, width: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, width)) + shift


def test_the_kernel_is_sklearn_s() -> None:
    first, second = normal(5, 0), normal(7, 1)
    assert polynomial_kernel(first, second) == pytest.approx(sklearn_kernel(first, second, degree=3))


@settings(deadline=None, max_examples=30)
@given(sizes=st.tuples(st.integers(2, 9), st.integers(2, 9)), seed=st.integers(0, 999))
def test_the_estimate_is_the_sum_over_pairs(sizes: tuple[int, int], seed: int) -> None:
    first, second = normal(sizes[0], seed), normal(sizes[1], seed + 1)
    kernel = [[sklearn_kernel(a, b, degree=3) for b in (first, second)] for a in (first, second)]
    m, n = sizes
    within = sum(kernel[0][0][i, j] for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    within += sum(kernel[1][1][i, j] for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    between = sum(kernel[0][1][i, j] for i in range(m) for j in range(n)) / (m * n)
    assert squared_mmd(first, second) == pytest.approx(within - 2 * between)
    assert squared_mmd(second, first) == pytest.approx(squared_mmd(first, second))


def test_one_distribution_gives_zero_on_average_and_negative_values() -> None:
    found = np.array([squared_mmd(normal(12, 2 * seed), normal(12, 2 * seed + 1)) for seed in range(400)])
    assert abs(found.mean()) < 2 * found.std() / np.sqrt(len(found))
    assert (found < 0).mean() > 0.3


def test_only_another_distribution_passes_the_floor() -> None:
    real, alike, moved = normal(40, 0), normal(40, 1), normal(40, 2, shift=1.0)
    floor = kid_floor(real)
    assert floor is not None
    assert floor > 0
    same, other = kid(alike, real), kid(moved, real)
    assert same is not None
    assert other is not None
    assert same < floor < other


def test_the_same_images_give_the_same_number_twice() -> None:
    assert kid(normal(9, 0), normal(8, 1)) == kid(normal(9, 0), normal(8, 1))
    assert kid_floor(normal(8, 1)) == kid_floor(normal(8, 1))


@pytest.mark.parametrize("count", range(FEWEST))
def test_a_handful_of_images_has_no_distance(count: int) -> None:
    assert kid(normal(count, 0), normal(20, 1)) is None
    assert kid(normal(20, 0), normal(count, 1)) is None
    assert kid_floor(normal(count, 0)) is None


def test_samples_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="two rows or more"):
        squared_mmd(normal(1, 0), normal(4, 1))
    with pytest.raises(ValueError, match="must be"):
        squared_mmd(normal(4, 0), normal(4, 1, width=3))
