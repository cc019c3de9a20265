from typing import Any

import pyarrow as pa
import pytest

from assets.radiographs.consistency import COMPARED, conflicting_patients, copy_reason, duplicate_reasons, same_pixels
from assets.radiographs.source_row import SourceRow


def row(number: int, patient: str | None, sex: str | None = None, age: float | None = None) -> SourceRow:
    return SourceRow(number, f"{number}.png", None, None, patient, "normal", "normal", (), None, sex, age, None, None)


def test_a_patient_of_two_sexes_loses_all_rows() -> None:
    rows = [row(1, "p", "M"), row(2, "q", "M"), row(3, "p", "F"), row(4, "p")]
    reasons = conflicting_patients(rows)
    assert set(reasons) == {1, 3, 4}
    assert reasons[1] == ("the patient of rows 1, 3, 4 has two sexes; correct the patient ids or remove the rows")


def test_a_patient_may_grow_five_years_older_but_not_more() -> None:
    assert conflicting_patients([row(1, "p", age=40), row(2, "p", age=45)]) == {}
    reasons = conflicting_patients([row(1, "p", age=40), row(2, "p", age=45.5)])
    assert set(reasons) == {1, 2}
    assert "more than 5 years apart" in reasons[1]


def test_unknown_patients_conflict_with_nobody() -> None:
    assert conflicting_patients([row(1, None, "M"), row(2, None, "F")]) == {}


def test_conflicts_name_rows_not_patients() -> None:
    (text, *_) = conflicting_patients([row(n, "MRN-1", "MF"[n % 2]) for n in range(1, 9)]).values()
    assert "MRN" not in text
    assert "rows 1, 2, 3, 4, 5 and 3 more" in text


def test_of_equal_copies_the_first_stays() -> None:
    reasons = duplicate_reasons([(9, "aa", "p", "normal"), (4, "aa", "p", "normal"), (7, "bb", "p", "normal")])
    assert reasons == {9: "same pixels as row 4; remove the copy"}


def test_equal_pixels_of_two_patients_or_two_labels_all_go() -> None:
    patients = duplicate_reasons([(1, "aa", "p", "normal"), (2, "aa", "q", "normal"), (3, "aa", "p", "normal")])
    assert set(patients) == {1, 2, 3}
    assert "under two patients in rows 1, 2, 3" in patients[3]
    labels = duplicate_reasons([(1, "aa", "p", "normal"), (2, "aa", "p", "opacity")])
    assert set(labels) == {1, 2}
    assert "under two labels" in labels[1]
    both = duplicate_reasons([(1, "aa", "p", "normal"), (2, "aa", "q", "opacity")])
    assert "under two patients and two labels" in both[1]


def test_different_pixels_are_no_duplicates() -> None:
    assert duplicate_reasons([(1, "aa", "p", "normal"), (2, "bb", "p", "normal")]) == {}


HERE = {"row": 1, "radiograph_id": "aa", "patient": "p", "label": "normal", "split": "train"}


def published(**changed: Any) -> dict[str, Any]:  # noqa: ANN401 (cells)
    return {**HERE, "row": 17, "status": "ok", "file_digest": "f", **changed}


def test_only_usable_published_rows_of_the_same_pixels_are_found() -> None:
    others = [published(), published(row=18, status="rejected"), published(row=19, radiograph_id="bb")]
    table = pa.Table.from_pylist(others).select(COMPARED)
    assert [(mine["row"], other["row"]) for mine, other in same_pixels([HERE], table)] == [(1, 17)]
    assert same_pixels([], table) == []


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"patient": "q"}, "two patients"),
        ({"patient": "q", "split": "test"}, "two patients and two splits"),
        ({"patient": "q", "split": "test", "label": "opacity"}, "two patients and two splits and two labels"),
    ],
)
def test_pixels_in_two_shards_of_a_cohort_are_two_patients(changed: dict[str, Any], what: str) -> None:
    assert copy_reason(HERE, published(**changed), "nih/07", True) == (
        f"same pixels as row 17 of nih/07 under {what}; find out which is right and remove the other"
    )


def test_a_patient_whose_rows_moved_to_another_shard_is_no_conflict() -> None:
    assert copy_reason(HERE, published(label="opacity"), "nih/07", True) is None


def test_another_cohort_may_hold_the_same_pixels_in_the_same_split() -> None:
    assert copy_reason(HERE, published(patient="q", label="opacity"), "rsna/0", False) is None
    assert copy_reason(HERE, published(split="test"), "rsna/0", False) == (
        "same pixels as row 17 of rsna/0, there in test, here in train; leave it out of one of the two cohorts"
    )
