from collections.abc import Callable
from itertools import combinations

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


def exceeds(made: np.ndarray, real: np.ndarray) -> bool:
    distance, floor = kid(made, real), kid_floor(made, real)
    assert distance is not None
    assert floor is not None
    return distance > floor


def test_the_distance_is_one_estimate_over_all_images() -> None:
    made, real = normal(9, 0), normal(12, 1)
    assert kid(made, real) == squared_mmd(made, real)


@pytest.mark.parametrize("sizes", [(16, 16), (16, 8)])
def test_about_a_twentieth_exceeds_the_floor_where_nothing_differs(sizes: tuple[int, int]) -> None:
    found = [exceeds(normal(sizes[0], 2 * seed), normal(sizes[1], 2 * seed + 1)) for seed in range(200)]
    assert 0.01 <= np.mean(found) <= 0.12


def test_another_distribution_exceeds_the_floor() -> None:
    found = [exceeds(normal(16, 2 * seed, shift=0.7), normal(16, 2 * seed + 1)) for seed in range(50)]
    assert np.mean(found) > 0.9


def test_the_floor_is_that_of_all_divisions() -> None:
    made, real = normal(4, 0), normal(5, 1, shift=0.5)
    pooled, every = np.concatenate([made, real]), set(range(9))
    exact = np.array(
        [squared_mmd(pooled[list(rows)], pooled[list(every - set(rows))]) for rows in combinations(range(9), 4)]
    )
    floor = kid_floor(made, real)
    assert floor is not None
    assert np.abs(exact - floor).min() < 1e-12
    assert np.quantile(exact, 0.92) < floor < np.quantile(exact, 0.98)


def test_the_same_images_give_the_same_number_twice() -> None:
    assert kid(normal(9, 0), normal(8, 1)) == kid(normal(9, 0), normal(8, 1))
    assert kid_floor(normal(9, 0), normal(8, 1)) == kid_floor(normal(9, 0), normal(8, 1))


@pytest.mark.parametrize("count", range(FEWEST))
@pytest.mark.parametrize("measure", [kid, kid_floor])
def test_a_handful_of_images_has_no_distance(measure: Callable[..., float | None], count: int) -> None:
    assert measure(normal(count, 0), normal(20, 1)) is None
    assert measure(normal(20, 0), normal(count, 1)) is None


def test_samples_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(ValueError, match="two rows or more"):
        squared_mmd(normal(1, 0), normal(4, 1))
    with pytest.raises(ValueError, match="must be"):
        squared_mmd(normal(4, 0), normal(4, 1, width=3))
    for measure in (kid, kid_floor):
        with pytest.raises(ValueError, match=r"must"):
            measure(normal(4, 0), normal(4, 1, width=3))
