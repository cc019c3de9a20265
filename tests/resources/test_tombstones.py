from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.object_store import ObjectStore
from resources.tombstones import (
    Tombstone,
    Withdrawn,
    WithdrawnError,
    tombstone_of,
    tombstones,
    withdrawn,
    withdrawn_manifests,
    write_tombstone,
)

hexadecimal = st.text("0123456789abcdef", min_size=24, max_size=24)
names = st.lists(st.text("abc012", min_size=1, max_size=4), max_size=4).map(tuple)
counts = st.dictionaries(st.sampled_from(["radiographs", "lung_masks"]), st.integers(0, 9))
stones = st.builds(
    Tombstone,
    patient=hexadecimal,
    radiographs=names,
    files=names,
    withdrawn_at=st.sampled_from(["2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"]),
    cohorts=names,
    counts=counts,
    partitions=names,
    only_in=names,
    models=names,
    manifests=names,
)


def tombstone(patient: str = "a" * 24, **columns: object) -> Tombstone:
    return Tombstone.model_validate({"patient": patient, "withdrawn_at": "2026-01-02T00:00:00+00:00", **columns})


def test_nobody_withdrew_from_an_empty_store(store: ObjectStore) -> None:
    assert withdrawn(store) == Withdrawn(frozenset(), frozenset(), frozenset())
    assert tombstone_of(store, "a" * 24) is None


@settings(deadline=None, max_examples=30)
@given(stones)
def test_a_tombstone_comes_back_as_it_was_written(stone: Tombstone) -> None:
    assert Tombstone.model_validate_json(stone.model_dump_json()) == stone


def test_what_is_withdrawn_is_what_all_tombstones_name(store: ObjectStore) -> None:
    write_tombstone(store, tombstone("a" * 24, radiographs=("r1", "r2"), files=("f1",)))
    write_tombstone(store, tombstone("b" * 24, radiographs=("r3",), withdrawn_at="2026-01-01T00:00:00+00:00"))
    assert withdrawn(store) == Withdrawn(
        frozenset({"a" * 24, "b" * 24}), frozenset({"r1", "r2", "r3"}), frozenset({"f1"})
    )
    assert [stone.patient for stone in tombstones(store)] == ["b" * 24, "a" * 24]
    assert tombstone_of(store, "b" * 24) == tombstones(store)[0]


def test_a_pseudonym_that_withdrew_from_one_cohort_is_somebody_else_in_another(store: ObjectStore) -> None:
    write_tombstone(store, tombstone("a" * 24, radiographs=("r1",), files=("f1",), only_in=("one",)))
    write_tombstone(store, tombstone("b" * 24))
    assert withdrawn(store, "one") == withdrawn(store)
    assert withdrawn(store, "two") == Withdrawn(frozenset({"b" * 24}), frozenset({"r1"}), frozenset({"f1"}))


def test_a_variant_that_is_declared_later_has_the_ids_of_its_cohort(home: Path, store: ObjectStore) -> None:
    write_tombstone(store, tombstone("a" * 24, only_in=("own",), manifests=("m1",)))
    assert withdrawn(store, "own-2-0").patients == frozenset()
    (home / "cohorts").mkdir(parents=True)
    (home / "cohorts" / "fold.yaml").write_text("{name: own-2-0, variant_of: own}")
    (home / "cohorts" / "other.yaml").write_text("{name: other}")
    (home / "cohorts" / "below.yaml").write_text("{name: below, variant_of: own-2-0}")
    assert withdrawn(store, "own-2-0").patients == {"a" * 24}
    assert withdrawn(store, "below").patients == {"a" * 24}
    assert withdrawn(store, "other").patients == frozenset()
    assert withdrawn_manifests(store) == {"m1"}


@settings(deadline=None, max_examples=50)
@given(stones, stones)
def test_a_second_removal_forgets_nothing_that_the_first_one_knew(first: Tombstone, second: Tombstone) -> None:
    both = second.joined(first)
    assert both.patient == second.patient
    assert both.withdrawn_at == first.withdrawn_at
    for name in ("radiographs", "files", "cohorts", "partitions", "models"):
        assert set(getattr(both, name)) == {*getattr(first, name), *getattr(second, name)}
    for name, count in both.counts.items():
        assert count == max(first.counts.get(name, 0), second.counts.get(name, 0))
    assert both.counts.keys() == {*first.counts, *second.counts}
    if first.only_in and second.only_in:
        assert set(both.only_in) == {*first.only_in, *second.only_in}
    else:
        assert both.only_in == ()
    assert second.joined(None) == second


@pytest.mark.parametrize("data", [b"", b"{", b"{}", b'{"patient": "Jane Doe", "withdrawn_at": "x"}'])
def test_an_unreadable_tombstone_lets_nobody_in(store: ObjectStore, data: bytes) -> None:
    write_tombstone(store, tombstone())
    store.write(f"withdrawn/{'b' * 24}.json", data)
    with pytest.raises(WithdrawnError, match=r"withdrawn/b{24}\.json: expected") as caught:
        withdrawn(store)
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize("patient", ["", "Jane Doe", "A" * 24, "a" * 23, "a" * 25, "a" * 24 + "\n"])
def test_only_a_pseudonym_names_a_tombstone(patient: str) -> None:
    with pytest.raises(ValueError, match="patient"):
        tombstone(patient)
