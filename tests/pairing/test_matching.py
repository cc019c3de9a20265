from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.pairing.matching import draw_pairs

COUNTS = st.integers(0, 12)


def patients_of(*groups: list[str]) -> dict[str, str]:
    return {name: name for group in groups for name in group}


def ids(kind: str, count: int) -> list[str]:
    return [f"{kind}{number:02d}" for number in range(count)]


@given(abnormal=COUNTS, normal=COUNTS, partners=st.integers(1, 6), seed=st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_laws_of_the_draw(abnormal: int, normal: int, partners: int, seed: int) -> None:
    ill, well = ids("a", abnormal), ids("n", normal)
    pairs = draw_pairs(ill, well, partners, np.random.default_rng(seed), patients_of(ill, well))
    assert len(pairs) == len(set(pairs)) == abnormal * min(partners, normal)
    used_abnormal = Counter(first for first, _ in pairs)
    used_normal = Counter(second for _, second in pairs)
    assert set(used_abnormal) <= set(ids("a", abnormal))
    assert set(used_normal) <= set(ids("n", normal))
    assert set(used_abnormal.values()) <= {min(partners, normal)}
    # Dealt in turn: between the most and the least used normal lies at most one use.
    uses = [used_normal[name] for name in ids("n", normal)]
    assert not uses or max(uses) - min(uses) <= 1


def test_the_same_seed_draws_the_same_pairs_and_another_one_others() -> None:
    ill, well = ids("a", 6), ids("n", 9)
    known = patients_of(ill, well)
    drawn = [draw_pairs(ill, well, 2, np.random.default_rng(seed), known) for seed in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_golden_more_partners_than_normals() -> None:
    # Two normals for each of two abnormals: every combination once.
    pairs = draw_pairs(["a", "b"], ["m", "n"], 5, np.random.default_rng(0), patients_of(["a", "b", "m", "n"]))
    assert sorted(pairs) == [("a", "m"), ("a", "n"), ("b", "m"), ("b", "n")]


@pytest.mark.parametrize(("abnormal", "normal"), [([], ["n"]), (["a"], []), ([], [])])
def test_an_empty_domain_gives_no_pair(abnormal: list[str], normal: list[str]) -> None:
    assert draw_pairs(abnormal, normal, 2, np.random.default_rng(0), patients_of(abnormal, normal)) == []


def test_nobody_is_paired_with_himself() -> None:
    patients = {"a": "p", "b": "q", "m": "p", "n": "q"}
    pairs = draw_pairs(["a", "b"], ["m", "n"], 2, np.random.default_rng(0), patients)
    assert sorted(pairs) == [("a", "n"), ("b", "m")]
