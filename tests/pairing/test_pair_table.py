"""The manifest's columns, and what is carried over from the one before."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.pairing.cohort_rows import READ, cohort_rows
from assets.pairing.flags import words_where
from assets.pairing.pair_table import PairTable, boxes_before, merged, pair_ids, values_before
from assets.pairing.preview import ShownPair, pair_sheet
from resources.manifests import fingerprint

KEYS = st.text("0123456789abcdef", min_size=32, max_size=32)


@settings(deadline=None)
@given(st.lists(KEYS, min_size=2, max_size=5))
def test_a_pairs_id_is_the_fingerprint_of_both_keys(keys: list[str]) -> None:
    rows = pa.table({"key": keys})
    pairs = np.array([[0, 1], [1, 0], [0, 0]])
    expected = [fingerprint([keys[one], keys[other]]) for one, other in pairs]
    assert pair_ids(rows, pairs) == expected


def test_values_of_pairs_that_were_there_are_kept_and_new_ones_put_in() -> None:
    before = pa.table({"pair_id": pa.chunked_array([["a"], ["b", "c"]]), "similarity": [0.1, None, 0.3]})
    kept = values_before(["c", "x", "b"], before, "similarity")
    assert kept.to_pylist() == [0.3, None, None]
    assert merged(kept, np.array([1]), np.array([0.5])).to_pylist() == [0.3, 0.5, None]
    assert merged(kept, np.array([1]), np.array([np.nan])).to_pylist() == [0.3, None, None]
    assert merged(values_before(["x"], None, "similarity"), np.array([0]), np.array([0.5])).to_pylist() == [0.5]


def test_boxes_are_known_from_either_side_of_a_pair() -> None:
    box = {"x": 1.0}
    before = pa.table(
        {
            "abnormal_key": ["a", "b"],
            "abnormal_boxes": [[box], []],
            "normal_key": ["n", "m"],
            "normal_boxes": pa.array([[], [box, box]], pa.list_(pa.struct([("x", pa.float64())]))),
        }
    )
    assert boxes_before(before) == {"a": [box], "m": [box, box]}
    assert boxes_before(None) == {}


def test_counts_tell_new_pairs_from_old_ones() -> None:
    counts = PairTable(pa.table({"pair_id": ["a", "b", "c"]}), 1).counts()
    assert (counts["planned"], counts["computed"], counts["reused"], counts["ok"]) == (3, 1, 2, 3)
    assert counts["resumed"] == counts["needs_review"] == counts["rejected"] == counts["failed"] == 0


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=8))
def test_words_are_listed_where_they_hold(holds: list[list[bool]]) -> None:
    words = ("one", "two", "three")
    found = words_where(np.array(holds, dtype=np.bool_).reshape(-1, 3), words).to_pylist()
    assert found == [[word for word, holding in zip(words, row, strict=True) if holding] for row in holds]


def stage(name: str, ids: str, **columns: list[object]) -> pa.Table:
    filled = {column: columns.get(column, [f"{name} {column} {each}" for each in ids]) for column in READ[name]}
    return pa.table({**filled, "radiograph_id": list(ids), "shard": ["c/0"] * len(ids)})


def test_rows_are_joined_by_id_sorted_and_each_once() -> None:
    tables = {name: stage(name, ids) for name, ids in zip(READ, ("dcba", "abcd", "cbad", "dbxdb"), strict=True)}
    rows = cohort_rows(tables)
    assert rows["radiograph_id"].to_pylist() == ["b", "d"]
    assert rows["key"].to_pylist() == ["registered_radiographs key b", "registered_radiographs key d"]
    for column, name in (
        ("radiograph_key", "radiographs"),
        ("mask_key", "lung_masks"),
        ("prealigned_key", "prealigned_radiographs"),
    ):
        assert rows[column].to_pylist() == [f"{name} key b", f"{name} key d"]
    empty = cohort_rows({name: stage(name, "") for name in READ})
    assert empty.num_rows == 0
    assert set(rows.column_names) == set(empty.column_names)


def test_the_sheet_has_a_row_a_pair_and_draws_boxes() -> None:
    gray, dark = np.full((32, 32), 0.5, np.float32), np.full((32, 32), 0.2, np.float32)
    plain = pair_sheet([ShownPair(gray, dark)], side=64)
    boxed = pair_sheet([ShownPair(gray, dark, [(8, 8, 10, 10)], 0.1, 0.9)], side=64)
    two = pair_sheet([ShownPair(gray, gray)] * 2, side=64)
    assert plain.shape == boxed.shape
    assert two.shape[0] > 1.7 * plain.shape[0]
    colored = (np.ptp(boxed.astype(int), axis=2) > 50).sum()
    assert colored >= 4 * 18 > (np.ptp(plain.astype(int), axis=2) > 50).sum()
    with pytest.raises(ValueError, match="a sheet needs a tile"):
        pair_sheet([])
