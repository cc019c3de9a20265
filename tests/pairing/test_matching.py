"""Laws of dealing and one-to-one matching, and known draws."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from assets.pairing.matching import NOBODY, as_pairs, fixed_pairs, matched_pairs, random_pairs

COUNTS = st.integers(0, 12)
# Few patients, so that many pairs are forbidden.
OWNERS = st.lists(st.integers(0, 3), min_size=0, max_size=9)


def rows(abnormal: int, normal: int) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(abnormal), np.arange(abnormal, abnormal + normal)


def uses(pairs: np.ndarray, side: int) -> Counter[int]:
    return Counter(pairs[:, side].tolist())


def lawful(pairs: np.ndarray, patients: np.ndarray) -> None:
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert not (patients[pairs[:, 0]] == patients[pairs[:, 1]]).any()


@given(abnormal=COUNTS, normal=COUNTS, partners=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_laws_of_the_draw(abnormal: int, normal: int, partners: int, seed: int) -> None:
    ill, well = rows(abnormal, normal)
    pairs = random_pairs(ill, well, np.arange(abnormal + normal), partners, np.random.default_rng(seed))
    assert len(pairs) == len(np.unique(pairs, axis=0)) == abnormal * min(partners, normal)
    assert set(uses(pairs, 0).values()) <= {min(partners, normal)}
    assert set(pairs[:, 1]) <= set(well)
    # Dealt in turn: between the most and the least used normal lies at most one use.
    counts = [uses(pairs, 1)[row] for row in well]
    assert not counts or max(counts) - min(counts) <= 1


@given(ill=OWNERS, well=OWNERS, partners=st.integers(1, 4), seed=st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_everybody_gets_as_many_other_patients_as_there_are(
    ill: list[int], well: list[int], partners: int, seed: int
) -> None:
    abnormal, normal = rows(len(ill), len(well))
    patients = np.array([*ill, *well], dtype=np.int64)
    pairs = random_pairs(abnormal, normal, patients, partners, np.random.default_rng(seed))
    lawful(pairs, patients)
    for row, own in zip(abnormal, ill, strict=True):
        assert uses(pairs, 0)[row] == min(partners, sum(other != own for other in well))


def test_the_same_seed_draws_the_same_pairs_and_another_one_others() -> None:
    ill, well = rows(6, 9)
    drawn = [random_pairs(ill, well, np.arange(15), 2, np.random.default_rng(seed)).tolist() for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_golden_more_partners_than_normals() -> None:
    # Two normals for each of two abnormals: every combination once.
    pairs = random_pairs(*rows(2, 2), np.arange(4), 5, np.random.default_rng(0))
    assert sorted(map(tuple, pairs.tolist())) == [(0, 2), (0, 3), (1, 2), (1, 3)]


def test_golden_the_round_is_dealt_on_where_the_last_one_ended() -> None:
    ill, well = rows(3, 4)
    order = well[np.random.default_rng(5).permutation(4)]
    pairs = random_pairs(ill, well, np.arange(7), 3, np.random.default_rng(5))
    assert pairs[:, 1].tolist() == [int(order[step % 4]) for step in range(9)]


@pytest.mark.parametrize(("abnormal", "normal"), [(0, 1), (1, 0), (0, 0)])
def test_an_empty_domain_gives_no_pair(abnormal: int, normal: int) -> None:
    ill, well = rows(abnormal, normal)
    patients, rng = np.arange(2), np.random.default_rng(0)
    assert random_pairs(ill, well, patients, 2, rng).shape == (0, 2)
    assert fixed_pairs(ill, well, patients, rng).shape == (0, 2)
    assert matched_pairs(ill, well, patients, 2, [np.zeros(2, np.int64)], rng).shape == (0, 2)


def test_nobody_is_paired_with_himself() -> None:
    pairs = random_pairs(*rows(2, 2), np.array([0, 1, 0, 1]), 2, np.random.default_rng(0))
    assert sorted(map(tuple, pairs.tolist())) == [(0, 3), (1, 2)]


@given(ill=OWNERS, well=OWNERS, seed=st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_one_to_one_is_a_largest_matching(ill: list[int], well: list[int], seed: int) -> None:
    patients = np.array([*ill, *well], dtype=np.int64)
    pairs = fixed_pairs(*rows(len(ill), len(well)), patients, np.random.default_rng(seed))
    lawful(pairs, patients)
    assert all(count == 1 for side in (0, 1) for count in uses(pairs, side).values())
    allowed = np.array([one != other for one, other in product(ill, well)], dtype=float).reshape(len(ill), len(well))
    assert len(pairs) == allowed[linear_sum_assignment(-allowed)].sum()


def test_one_to_one_is_seeded() -> None:
    drawn = [fixed_pairs(*rows(6, 6), np.arange(12), np.random.default_rng(seed)).tolist() for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]


@given(
    ill=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    well=st.lists(st.integers(0, 5), min_size=0, max_size=12),
    partners=st.integers(1, 3),
    seed=st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_strata_are_left_only_where_they_run_out(ill: list[int], well: list[int], partners: int, seed: int) -> None:
    abnormal, normal = rows(len(ill), len(well))
    narrow = np.array([*ill, *well], dtype=np.int64)
    levels = [narrow, narrow // 2, np.zeros_like(narrow)]
    patients = np.arange(len(narrow))
    pairs = matched_pairs(abnormal, normal, patients, partners, levels, np.random.default_rng(seed))
    lawful(pairs, patients)
    for row in abnormal:
        mine = pairs[pairs[:, 0] == row, 1]
        assert len(mine) == min(partners, len(well))
        for level in levels:
            there = int((level[normal] == level[row]).sum())
            assert (level[mine] == level[row]).sum() == min(partners, there)


@given(sizes=st.lists(st.tuples(st.integers(0, 5), st.integers(2, 5)), min_size=1, max_size=4), seed=st.integers(0, 9))
@settings(max_examples=60, deadline=None)
def test_where_no_stratum_is_short_both_sides_have_it_equally_often(sizes: list[tuple[int, int]], seed: int) -> None:
    ill = [stratum for stratum, (count, _) in enumerate(sizes) for _ in range(count)]
    well = [stratum for stratum, (_, count) in enumerate(sizes) for _ in range(count)]
    strata = np.array([*ill, *well], dtype=np.int64)
    pairs = matched_pairs(
        *rows(len(ill), len(well)),
        np.arange(len(strata)),
        2,
        [strata, np.zeros_like(strata)],
        np.random.default_rng(seed),
    )
    assert (strata[pairs[:, 0]] == strata[pairs[:, 1]]).all()
    for stratum in range(len(sizes)):
        counts = [uses(pairs, 1)[row + len(ill)] for row, own in enumerate(well) if own == stratum]
        assert max(counts) - min(counts) <= 1


def test_a_patient_of_the_only_stratum_mate_is_matched_outside() -> None:
    strata, patients = np.array([0, 0, 1], dtype=np.int64), np.array([7, 7, 8])
    levels = [strata, np.zeros(3, np.int64)]
    pairs = matched_pairs(np.array([0]), np.array([1, 2]), patients, 2, levels, np.random.default_rng(0))
    assert pairs.tolist() == [[0, 2]]


def test_places_without_a_partner_make_no_pair() -> None:
    assert as_pairs(np.array([4, 5]), np.array([[1, NOBODY], [NOBODY, NOBODY]])).tolist() == [[4, 1]]
