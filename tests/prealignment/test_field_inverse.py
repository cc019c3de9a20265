import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter

from assets.prealignment.field_inverse import dense_inverse, solve
from assets.prealignment.warp import compose, sample

F32 = npt.NDArray[np.float32]
SIDE = 64


def smooth_field(seed: int, amplitude: float) -> F32:
    noise = np.random.default_rng(seed).standard_normal((2, SIDE, SIDE))
    field = np.stack([gaussian_filter(channel, 8) for channel in noise])
    return np.asarray(field * (amplitude / np.abs(field).max()), dtype=np.float32)


def affine_field(matrix: npt.NDArray[np.float64], shift: npt.NDArray[np.float64]) -> F32:
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float64)
    grid = np.stack([x, y])
    return np.asarray(np.einsum("ij,jhw->ihw", matrix, grid) + shift[:, None, None] - grid, dtype=np.float32)


@pytest.mark.parametrize("seed", range(4))
def test_the_field_reads_the_point_from_what_was_found(seed: int) -> None:
    field = smooth_field(seed, 5.0)
    points = np.random.default_rng(seed).uniform(8, SIDE - 9, (300, 2))
    found = solve(field, points)
    assert np.hypot(*(found + sample(field, found) - points).T).max() < 2e-3


def test_an_affine_field_has_the_inverse_matrix() -> None:
    matrix, shift = np.array([[2.0, 0.3], [-0.2, 0.6]]), np.array([-30.0, 12.0])
    inner = np.random.default_rng(0).uniform(4, SIDE - 5, (50, 2))
    np.testing.assert_allclose(solve(affine_field(matrix, shift), inner @ matrix.T + shift), inner, atol=2e-3)


def test_a_first_guess_chooses_among_answers_of_a_fold() -> None:
    # x + u(x) rises to 40, falls to 24 and rises again, so that 32 is read from x = 26 2/3, 36 and 48
    x = np.arange(SIDE, dtype=np.float64)
    read = np.interp(x, [0, 30, 46, 63], [0, 40, 24, 50])
    field = np.stack([np.tile(read - x, (SIDE, 1)), np.zeros((SIDE, SIDE))]).astype(np.float32)
    point = np.array([[32.0, 20.0]])
    left, right = (solve(field, point, np.array([[start, 20.0]])) for start in (20.0, 55.0))
    assert left[0, 0] < 30
    assert right[0, 0] > 46
    for found in (left, right):
        np.testing.assert_allclose(found + sample(field, found), point, atol=2e-3)


def test_what_nothing_reads_gets_the_best_that_was_met() -> None:
    field = np.zeros((2, SIDE, SIDE), np.float32)
    field[0] = 10 - np.arange(SIDE)
    found = solve(field, np.array([[30.0, 20.0]]))
    assert np.isfinite(found).all()


def test_the_dense_inverse_undoes_the_field() -> None:
    field = smooth_field(0, 4.0)
    around = compose(field, dense_inverse(field))[:, 8:-8, 8:-8]
    assert np.linalg.norm(around, axis=0).max() < 0.05
