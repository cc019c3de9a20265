import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.segmentation.cleanup import largest_component
from assets.segmentation.quality import lung_dices
from assets.segmenter.damage import (
    bite,
    blob,
    cut_apex,
    cut_base,
    damaged,
    fragment,
    jag,
    shift,
    signed_distance,
    smooth_noise,
    swell,
)

U8 = npt.NDArray[np.uint8]


def pair(side: int = 256) -> U8:
    y, x = (np.mgrid[:side, :side] + 0.5) * 256 / side
    lungs = np.zeros((side, side), np.uint8)
    for label, center in ((1, 80), (2, 176)):
        lungs[((x - center) / 34) ** 2 + ((y - 128) / 64) ** 2 <= 1] = label
    return lungs


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_damage_leaves_one_component_a_lung_and_no_overlap(seed: int) -> None:
    broken = damaged(pair(128), np.random.default_rng(seed))
    assert broken.dtype == np.uint8
    assert broken.max() <= 2
    for label in (1, 2):
        np.testing.assert_array_equal(largest_component(broken == label), broken == label)


def test_damage_is_determined_by_the_generator_and_leaves_its_input() -> None:
    lungs = pair()
    once, again = (damaged(lungs, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(lungs, pair())


def test_grades_of_random_damage_spread_from_hardly_to_hopeless() -> None:
    rng = np.random.default_rng(0)
    worse = np.array([min(lung_dices(damaged(pair(128), rng), pair(128))) for _ in range(200)])
    assert 0.2 < (worse < 0.85).mean() < 0.7
    assert (worse >= 0.93).mean() > 0.15
    assert worse.min() < 0.4


@pytest.mark.parametrize("label", [1, 2])
def test_the_other_lung_is_not_touched(label: int, rng: np.random.Generator) -> None:
    lungs, other = pair(), 3 - label
    broken = [
        bite(lungs, label, 1 / 16, rng), cut_base(lungs, label, 0.22), cut_apex(lungs, label, 0.3),
        swell(lungs, label, 0.2), shift(lungs, label, 0.1, 0), blob(lungs, label, 0.2, rng),
        fragment(lungs, label, 0.4, 1.0),
    ]  # fmt: skip
    for mask in broken:
        np.testing.assert_array_equal(mask == other, lungs == other)
        assert np.any((mask == label) != (lungs == label))


@pytest.mark.parametrize("side", [128, 256, 512])
def test_base_cut_takes_its_share_of_the_height(side: int) -> None:
    lungs = pair(side)
    rows = np.flatnonzero((lungs == 1).any(axis=1))
    left = np.flatnonzero((cut_base(lungs, 1, 0.22) == 1).any(axis=1))
    assert left[0] == rows[0]
    assert len(left) == len(rows) - round(0.22 * len(rows))
    np.testing.assert_array_equal(cut_apex(lungs, 1, 0.22), cut_base(lungs[::-1], 1, 0.22)[::-1])


def test_bite_is_a_disk_around_the_outline(rng: np.random.Generator) -> None:
    taken = np.argwhere((pair() == 1) & (bite(pair(), 1, 16 / 256, rng) != 1))
    assert np.ptp(taken, axis=0).max() <= 32
    assert 0.25 * np.pi * 16**2 < len(taken) < 0.75 * np.pi * 16**2


@pytest.mark.parametrize("sigma", [0.9, 1.8])
def test_jagged_outline_deviates_by_sigma(sigma: float, rng: np.random.Generator) -> None:
    # along rows that the outline crosses upright, its column tells the displacement
    columns = [(jag(pair(), sigma / 256, rng)[120:137] == 1).argmax(axis=1) for _ in range(30)]
    assert np.std(columns) == pytest.approx(sigma, rel=0.25)


def test_swelling_and_shrinking_move_the_outline_by_their_distance() -> None:
    grown, shrunk = (swell(pair(), 1, distance / 256) == 1 for distance in (5, -5))
    assert np.flatnonzero(grown[128])[0] == np.flatnonzero((pair() == 1)[128])[0] - 5
    assert np.flatnonzero(shrunk[128])[0] == np.flatnonzero((pair() == 1)[128])[0] + 5


def test_fragment_keeps_its_share_on_its_side() -> None:
    kept = fragment(pair(), 1, 0.3, 0.0) == 1
    assert kept.sum() == pytest.approx(0.3 * (pair() == 1).sum(), rel=0.1)
    assert np.nonzero(kept)[1].min() > 80


def test_missing_lungs_stay_missing(rng: np.random.Generator) -> None:
    empty = np.zeros((64, 64), np.uint8)
    for label in (1, 2):
        for mask in (bite(empty, label, 0.1, rng), blob(empty, label, 0.1, rng), cut_base(empty, label, 0.2)):
            assert not mask.any()
        assert not fragment(empty, label, 0.2, 0.0).any()
        assert not swell(empty, label, 0.1).any()
    assert not damaged(empty, rng).any()
    assert not jag(empty, 0.01, rng).any()


def test_signed_distance_runs_through_the_outline() -> None:
    distance = signed_distance(pair() == 1)
    np.testing.assert_array_equal(distance > 0, pair() == 1)
    inner, outer = distance[128][80], distance[128][80 - 34 - 10]
    assert inner == pytest.approx(34, abs=1)
    assert outer == pytest.approx(-10, abs=1)
    np.testing.assert_array_equal(signed_distance(pair() != 1), -distance)


@pytest.mark.parametrize("side", [48, 64])
def test_signed_distance_does_not_depend_on_where_in_memory_it_is_written(side: int) -> None:
    mask = pair(side)[:, ::-1] == 1
    # What is kept meanwhile moves what is computed next.
    kept = [(signed_distance(mask), bytes(length)) for length in range(1, 400, 7)]
    assert len({found.tobytes() for found, _ in kept}) == 1


def test_noise_has_mean_0_and_deviation_1_at_every_length(rng: np.random.Generator) -> None:
    for length in (1 / 256, 0.1):
        noise = smooth_noise((128, 128), length, rng)
        assert noise.mean() == pytest.approx(0, abs=1e-4)
        assert noise.std() == pytest.approx(1, abs=1e-4)
