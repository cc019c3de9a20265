"""Sums over planes against NumPy's own mean and standard deviation of the stack."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.translation.moments import Moments, Pooling, arrays_of, moments_of, no_moments, usual

F32 = npt.NDArray[np.float32]
Masks = npt.NDArray[np.bool_]
SIDE = 12
# Next to nothing of the whole lungs: what is left is a pixel's own.
ALONE = Pooling(sigma=0.0, prior=1e-9, smallest=1e-6)


def stack(seed: int, count: int = 9, holes: float = 0.2) -> tuple[F32, Masks]:
    rng = np.random.default_rng(seed)
    lungs = rng.random((count, SIDE, SIDE)) >= holes
    # Two of them have lung everywhere, so that every pixel has a spread.
    lungs[:2] = True
    return rng.random((count, SIDE, SIDE), np.float32), lungs


def summed(planes: F32, lungs: Masks) -> Moments:
    moments = no_moments(SIDE)
    for plane, inside in zip(planes, lungs, strict=True):
        moments.add(plane, inside)
    return moments


@given(st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_mean_and_spread_are_those_of_the_stack(seed: int) -> None:
    planes, lungs = stack(seed)
    found = usual(summed(planes, lungs), ALONE)
    own = np.ma.masked_array(planes.astype(np.float64), ~lungs)
    np.testing.assert_allclose(found.mean, own.mean(axis=0), atol=1e-6)
    np.testing.assert_allclose(found.spread, np.maximum(own.std(axis=0), 1e-5), atol=1e-5)
    assert found.whole_spread == pytest.approx(planes[lungs].astype(np.float64).std())


@given(st.integers(0, 1000), st.integers(0, 8))
@settings(max_examples=15, deadline=None)
def test_without_one_is_as_if_it_had_never_been_added(seed: int, left_out: int) -> None:
    planes, lungs = stack(seed)
    whole = summed(planes, lungs)
    before = whole.first.copy()
    rest = whole.without(planes[left_out], lungs[left_out])
    kept = np.arange(len(planes)) != left_out
    expected = summed(planes[kept], lungs[kept])
    for name in ("count", "first", "second"):
        np.testing.assert_allclose(getattr(rest, name), getattr(expected, name), atol=1e-9)
    np.testing.assert_array_equal(whole.first, before)


def test_sums_survive_their_artefact() -> None:
    planes, lungs = stack(1)
    halves: F32 = (planes / 2).astype(np.float32)
    sums = {"absolute": summed(planes, lungs), "positive": summed(halves, lungs)}
    arrays = arrays_of(sums.items())
    assert {str(array.dtype) for array in arrays.values()} == {"float32"}
    for kind, moments in sums.items():
        stored = moments_of(arrays, kind)
        np.testing.assert_array_equal(stored.count, moments.count)
        np.testing.assert_allclose(stored.second, moments.second, rtol=1e-6)
        own = planes if kind == "absolute" else halves
        rest = usual(stored.without(own[0], lungs[0]), ALONE)
        kept = usual(summed(own[1:], lungs[1:]), ALONE)
        np.testing.assert_allclose(rest.spread, kept.spread, atol=1e-4)


def test_z_counts_spreads_above_the_mean_inside_the_lungs() -> None:
    planes, lungs = stack(2)
    found = usual(summed(planes, lungs), ALONE)
    inside = lungs[3]
    z = found.z(found.mean + 3 * found.spread, inside)
    np.testing.assert_allclose(z[inside], 3, atol=1e-3)
    assert not z[~inside].any()
    assert (found.z(found.mean - found.spread, inside)[inside] < 0).all()


def test_maps_of_normals_have_z_scores_of_mean_nought_and_spread_one() -> None:
    planes, lungs = stack(3, count=200)
    found = usual(summed(planes, lungs), Pooling(2.0, 1.0, 0.25))
    z = np.concatenate([found.z(plane, inside)[inside] for plane, inside in zip(planes, lungs, strict=True)])
    assert abs(z.mean()) < 0.02
    assert z.std() == pytest.approx(1, abs=0.03)


def test_a_pixel_without_lung_has_what_the_whole_lungs_have() -> None:
    planes, lungs = stack(4)
    lungs[:, :, 0] = False
    found = usual(summed(planes, lungs), Pooling(0.0, 1.0, 0.25))
    values = planes[lungs].astype(np.float64)
    np.testing.assert_allclose(found.mean[:, 0], values.mean(), rtol=1e-5)
    np.testing.assert_allclose(found.spread[:, 0], values.std(), rtol=1e-5)


def test_the_prior_weighs_as_many_normals_as_it_says() -> None:
    plane = np.zeros((SIDE, SIDE), np.float32)
    plane[:, : SIDE // 2] = 1
    moments = summed(np.stack([plane] * 3), np.ones((3, SIDE, SIDE), np.bool_))
    # Three times 1 and once the whole lungs' 0.5.
    assert usual(moments, Pooling(0.0, 1.0, 0.25)).mean[0, 0] == pytest.approx(3.5 / 4)


def test_neighbours_are_pooled_over_a_width_that_grows_with_the_side() -> None:
    spike = np.zeros((64, 64), np.float32)
    spike[32, 32] = 1
    moments = no_moments(64)
    moments.add(spike, np.ones((64, 64), np.bool_))
    mean = usual(moments, Pooling(8.0, 1e-9, 0.25)).mean
    # 8 pixels at 256 are 2 at 64.
    assert mean[32, 34] / mean[32, 32] == pytest.approx(np.exp(-0.5), abs=1e-3)
    assert mean.sum() == pytest.approx(1, abs=1e-3)


def test_no_spread_is_below_its_floor_and_none_is_nothing() -> None:
    planes, lungs = stack(5)
    planes[:, 0, 0], lungs[:, 0, 0] = 0.5, True
    found = usual(summed(planes, lungs), Pooling(0.0, 1e-9, 0.25))
    assert found.spread[0, 0] == pytest.approx(0.25 * found.whole_spread)
    constant = usual(summed(np.full_like(planes, 0.3), lungs), Pooling(2.0, 1.0, 0.25))
    assert constant.whole_spread == pytest.approx(0, abs=1e-6)
    assert (constant.spread > 0).all()
    assert np.isfinite(constant.z(planes[0], lungs[0])).all()


def test_lungs_are_needed() -> None:
    with pytest.raises(ValueError, match="no normal radiograph has a pixel of lung"):
        usual(no_moments(SIDE), ALONE)
