"""Nearest partners against a search by hand, with and without a limit of uses."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.pairing import nearest
from assets.pairing.nearest import nearest_pairs


def scattered(seed: int, abnormal: int, normal: int, owners: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(abnormal + normal, 3)).astype(np.float32), rng.integers(0, owners, abnormal + normal)


@given(
    seed=st.integers(0, 50),
    abnormal=st.integers(0, 8),
    normal=st.integers(0, 30),
    partners=st.integers(1, 4),
    owners=st.sampled_from([2, 5, 500]),
)
@settings(max_examples=80, deadline=None)
def test_partners_are_the_nearest_of_other_patients(
    seed: int, abnormal: int, normal: int, partners: int, owners: int
) -> None:
    vectors, patients = scattered(seed, abnormal, normal, owners)
    pairs = nearest_pairs(np.arange(abnormal), np.arange(abnormal, abnormal + normal), patients, partners, vectors)
    for row in range(abnormal):
        others = [other for other in range(abnormal, abnormal + normal) if patients[other] != patients[row]]
        others.sort(key=lambda other: float(np.sum((vectors[other] - vectors[row]).astype(np.float64) ** 2)))
        assert pairs[pairs[:, 0] == row, 1].tolist() == others[:partners]


@given(
    seed=st.integers(0, 50),
    abnormal=st.integers(1, 25),
    normal=st.integers(1, 25),
    partners=st.integers(1, 3),
    most=st.integers(1, 4),
)
@settings(max_examples=80, deadline=None)
def test_nobody_is_used_more_often_than_allowed_and_everybody_who_can_be_served_is(
    seed: int, abnormal: int, normal: int, partners: int, most: int
) -> None:
    vectors, patients = scattered(seed, abnormal, normal, 500)
    normals = np.arange(abnormal, abnormal + normal)
    pairs = nearest_pairs(np.arange(abnormal), normals, patients, partners, vectors, most)
    uses = Counter(pairs[:, 1].tolist())
    assert len(np.unique(pairs, axis=0)) == len(pairs)
    assert max(uses.values()) <= most
    # Who has too few partners has every normal that still could be used.
    for row in range(abnormal):
        mine = set(pairs[pairs[:, 0] == row, 1].tolist())
        if len(mine) < partners:
            left = {int(other) for other in normals if uses[int(other)] < most and patients[other] != patients[row]}
            assert left <= mine


def test_golden_who_is_closest_is_served_first() -> None:
    # Both want normal 2; abnormal 1 is closer to it and takes it.
    vectors = np.array([[0.0], [1.9], [2.0], [9.0]], dtype=np.float32)
    pairs = nearest_pairs(np.array([0, 1]), np.array([2, 3]), np.arange(4), 1, vectors, 1)
    assert pairs.tolist() == [[0, 3], [1, 2]]
    assert nearest_pairs(np.array([0, 1]), np.array([2, 3]), np.arange(4), 1, vectors).tolist() == [[0, 2], [1, 2]]


def test_a_patient_with_more_radiographs_than_are_looked_at_first_is_still_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(nearest, "SPARE", 1)
    vectors = np.arange(40, dtype=np.float32)[:, None]
    patients = np.zeros(40, dtype=np.int64)
    patients[-2:] = 1
    pairs = nearest_pairs(np.array([0]), np.arange(1, 40), patients, 3, vectors)
    assert pairs.tolist() == [[0, 38], [0, 39]]


@pytest.mark.parametrize("block", [1, 40, 10**6])
def test_where_many_want_the_same_all_are_served_and_few_distances_are_held_at_once(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    give, held = nearest._give, []

    def noted(*given: Any) -> None:  # noqa: ANN401
        held.append(given[-1].size)
        give(*given)

    monkeypatch.setattr(nearest, "BLOCK", block)
    monkeypatch.setattr(nearest, "_give", noted)
    vectors = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    vectors[:40] = vectors[0]
    pairs = nearest_pairs(np.arange(40), np.arange(40, 80), np.arange(80), 1, vectors, 1)
    assert sorted(pairs[:, 0].tolist()) == list(range(40))
    assert sorted(pairs[:, 1].tolist()) == list(range(40, 80))
    # one row at least
    assert max(held) <= max(block, 40)
