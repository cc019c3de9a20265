from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency

from assets.radiographs.split import Split, assign_split, shard_of

PATIENTS = [f"{number:024x}" for number in range(6000)]


@given(patient=st.text(min_size=1), seed=st.integers(0, 10))
@settings(max_examples=30, deadline=None)
def test_the_same_patient_is_always_in_the_same_split_and_shard(patient: str, seed: int) -> None:
    assert assign_split(patient, 0.25, 0.15, seed) == assign_split(patient, 0.25, 0.15, seed)
    assert shard_of(patient, 8) == shard_of(patient, 8)


def test_golden_split_so_that_no_release_moves_a_patient() -> None:
    # sha256 of "split 0 p0" to "split 0 p3" start with 4ce5, 73b5, a295, 0610: 0.300, 0.452, 0.635, 0.024.
    found = [assign_split(f"p{number}", 0.25, 0.15, 0) for number in range(4)]
    assert found == ["validation", "train", "train", "test"]


@pytest.mark.parametrize(("test", "validation"), [(0.25, 0.15), (0.1, 0.5), (0, 0.3)])
def test_shares_are_met_within_binomial_bounds(test: float, validation: float) -> None:
    counts = Counter(assign_split(patient, test, validation, 0) for patient in PATIENTS)
    shares: dict[Split, float] = {"test": test, "validation": validation, "train": 1 - test - validation}
    for split, share in shares.items():
        assert binomtest(counts[split], len(PATIENTS), share).pvalue > 1e-4


def test_a_larger_test_share_only_adds_patients_to_test() -> None:
    for patient in PATIENTS[:500]:
        if assign_split(patient, 0.2, 0.15, 0) == "test":
            assert assign_split(patient, 0.3, 0.15, 0) == "test"


def test_another_seed_is_another_split() -> None:
    moved = sum(assign_split(patient, 0.25, 0.15, 0) != assign_split(patient, 0.25, 0.15, 1) for patient in PATIENTS)
    # Independent draws differ with probability 1 - (0.25^2 + 0.15^2 + 0.6^2) = 0.555.
    assert binomtest(moved, len(PATIENTS), 0.555).pvalue > 1e-4


def test_the_split_is_independent_of_the_shard() -> None:
    table = [[0] * 4 for _ in range(3)]
    order = {"train": 0, "validation": 1, "test": 2}
    for patient in PATIENTS:
        table[order[assign_split(patient, 0.25, 0.15, 0)]][shard_of(patient, 4)] += 1
    assert chi2_contingency(table).pvalue > 1e-4


def test_shards_are_of_equal_size_within_chance() -> None:
    counts = Counter(shard_of(patient, 16) for patient in PATIENTS)
    assert set(counts) == set(range(16))
    assert all(binomtest(count, len(PATIENTS), 1 / 16).pvalue > 1e-5 for count in counts.values())
    assert {shard_of(patient, 1) for patient in PATIENTS} == {0}


def test_impossible_shares_and_shards_are_refused() -> None:
    with pytest.raises(ValueError, match="sum to at most 1"):
        assign_split("p", 0.7, 0.4, 0)
    with pytest.raises(ValueError, match="at least 0"):
        assign_split("p", -0.1, 0.4, 0)
    with pytest.raises(ValueError, match="at least 1"):
        shard_of("p", 0)


@given(folds=st.integers(2, 20), seed=st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_over_the_folds_every_patient_is_tested_exactly_once(folds: int, seed: int) -> None:
    for patient in PATIENTS[:200]:
        splits = [assign_split(patient, 0.25, 0.2, seed, folds=folds, fold=fold) for fold in range(folds)]
        assert splits.count("test") == 1


def test_golden_folds_so_that_no_release_moves_a_patient() -> None:
    # The draws of the golden split, 0.300, 0.452, 0.635, 0.024, times 2 and times 5, rounded down.
    for folds, golden in ((2, [0, 0, 1, 0]), (5, [1, 2, 3, 0])):
        for number, fold in enumerate(golden):
            assert assign_split(f"p{number}", 0.25, 0.15, 0, folds=folds, fold=fold) == "test"


def test_validation_is_drawn_of_those_outside_the_fold() -> None:
    rest = [assign_split(patient, 0.25, 0.2, 0, folds=2, fold=1) for patient in PATIENTS]
    counts = Counter(split for split in rest if split != "test")
    assert binomtest(len(PATIENTS) - sum(counts.values()), len(PATIENTS), 0.5).pvalue > 1e-4
    assert binomtest(counts["validation"], sum(counts.values()), 0.2).pvalue > 1e-4


def test_a_share_of_one_tests_everybody() -> None:
    assert {assign_split(patient, 1.0, 0.0, 0) for patient in PATIENTS} == {"test"}


@pytest.mark.parametrize(("folds", "fold"), [(1, 0), (2, 2), (2, -1)])
def test_a_fold_that_there_is_not_is_refused(folds: int, fold: int) -> None:
    with pytest.raises(ValueError, match="expected at least 2 folds"):
        assign_split("p", 0.25, 0.15, 0, folds=folds, fold=fold)
    with pytest.raises(ValueError, match="lower them"):
        assign_split("p", 0.25, 1.0, 0, folds=2, fold=0)


@given(pseudonym=st.text(max_size=20), seed=st.integers(0, 3), fold=st.integers(0, 4))
@settings(deadline=None)
def test_who_may_not_be_held_out_trains_under_every_split(pseudonym: str, seed: int, fold: int) -> None:
    assert assign_split(pseudonym, 0.5, 0.5, seed, may_be_held_out=False) == "train"
    assert assign_split(pseudonym, 0, 0.5, seed, may_be_held_out=False, folds=5, fold=fold) == "train"


def test_where_everybody_is_tested_so_is_who_may_not_be_held_out() -> None:
    assert assign_split("p0", 1, 0, 0, may_be_held_out=False) == "test"
