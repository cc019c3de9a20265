"""Each audit finds exactly the rows in which a fault was put, and nothing in clean ones."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.pairing import audit

PATIENTS = 12


def cohort(size: int) -> list[dict[str, str]]:
    """Rows of patients dealt to splits in turn; odd rows are abnormal."""
    return [
        {
            "radiograph_id": f"r{number:03d}",
            "patient": f"p{number % PATIENTS:02d}",
            "split": ("train", "test")[number % PATIENTS // 2 % 2],
            "label": ("clear", "nodule")[number % 2],
            "domain": ("normal", "abnormal")[number % 2],
        }
        for number in range(size)
    ]


def all_pairs(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [
        {
            "pair_id": f"{one['radiograph_id']}+{other['radiograph_id']}",
            "split": one["split"],
            **{f"abnormal_{name}": one[column] for name, column in SIDE_COLUMNS},
            **{f"normal_{name}": other[column] for name, column in SIDE_COLUMNS},
        }
        for one in rows
        for other in rows
        if (one["domain"], other["domain"]) == ("abnormal", "normal") and one["split"] == other["split"]
    ]


SIDE_COLUMNS = (("id", "radiograph_id"), ("label", "label"), ("patient", "patient"))


def table(rows: list[dict[str, str]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def test_clean_rows_pass_every_audit() -> None:
    rows, pairs = table(cohort(40)), table(all_pairs(cohort(40)))
    assert pairs.num_rows > 100
    assert audit.patients_in_two_splits(rows) == []
    assert audit.same_pixels_twice(rows) == []
    assert audit.pairs_of_one_patient(pairs) == []
    assert audit.pairs_across_splits(pairs, rows) == []
    assert audit.pair_labels_flipped(pairs, rows) == []
    assert audit.labels_flipped(rows, rows) == []


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 39))
def test_a_moved_radiograph_is_found_with_its_patient_and_its_pairs(victim: int) -> None:
    rows = cohort(40)
    pairs = all_pairs(rows)
    name = rows[victim]["radiograph_id"]
    rows[victim]["split"] = "validation"
    assert audit.patients_in_two_splits(table(rows)) == [rows[victim]["patient"]]
    touched = sorted(pair["pair_id"] for pair in pairs if name in pair["pair_id"].split("+"))
    assert audit.pairs_across_splits(table(pairs), table(rows)) == touched


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 39), st.sampled_from(["label", "domain"]), st.sampled_from(["swapped", None]))
def test_a_flipped_radiograph_is_found_with_its_pairs(victim: int, column: str, value: str | None) -> None:
    rows = cohort(40)
    pairs = all_pairs(rows)
    before = table(rows)
    now = before.set_column(
        before.column_names.index(column),
        column,
        pa.array([value if number == victim else row[column] for number, row in enumerate(rows)], pa.string()),
    )
    name = rows[victim]["radiograph_id"]
    assert audit.labels_flipped(before, now) == [name]
    touched = sorted(pair["pair_id"] for pair in pairs if name in pair["pair_id"].split("+"))
    assert audit.pair_labels_flipped(table(pairs), now) == touched


def test_a_pair_within_a_patient_is_found() -> None:
    pairs = all_pairs(cohort(40))
    pairs[3]["normal_patient"] = pairs[3]["abnormal_patient"]
    assert audit.pairs_of_one_patient(table(pairs)) == [pairs[3]["pair_id"]]


@pytest.mark.parametrize("copies", [1, 2])
def test_pixels_that_come_again_are_named_once(copies: int) -> None:
    rows = cohort(40)
    assert audit.same_pixels_twice(table(rows + [rows[5]] * copies)) == ["r005"]


def test_a_copy_of_a_radiograph_in_another_split_or_label_counts_as_a_change() -> None:
    rows = cohort(4)
    copies = [*rows, {**rows[1], "split": "validation", "label": "mass"}]
    pairs = [pair for pair in all_pairs(rows) if pair["abnormal_id"] == "r001"]
    names = [pair["pair_id"] for pair in pairs]
    assert names
    assert audit.pairs_across_splits(table(pairs), table(copies)) == names
    assert audit.pair_labels_flipped(table(pairs), table(copies)) == names
    assert audit.labels_flipped(table(rows), table(copies)) == ["r001"]


def test_radiographs_that_are_gone_are_not_judged_and_empty_tables_pass() -> None:
    rows, pairs = table(cohort(40)), table(all_pairs(cohort(40)))
    for known in (rows.slice(0, 0), rows):
        assert audit.pairs_across_splits(pairs.slice(0, 0), known) == []
        assert audit.pair_labels_flipped(pairs.slice(0, 0), known) == []
        assert audit.labels_flipped(rows.slice(0, 0), known) == []
    assert audit.pairs_across_splits(pairs, rows.slice(0, 0)) == []
    assert audit.patients_in_two_splits(rows.slice(0, 0)) == []
    assert audit.same_pixels_twice(rows.slice(0, 0)) == []
