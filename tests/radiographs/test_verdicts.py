from typing import Any

from assets.radiographs.verdicts import (
    JUDGED_BY,
    masks_left_out,
    name_rows,
    not_yet_published,
    set_aside_conflicts,
)


def row(number: int, **changed: Any) -> dict[str, Any]:  # noqa: ANN401 (cells)
    plain = {"row": number, "status": "ok", "reason": "", "radiograph_id": f"px{number}", "patient": "p"}
    return {**plain, "key": f"k{number}", "label": "normal", "split": "train", **changed}


def aside(rows: list[dict[str, Any]]) -> dict[int, str]:
    return {each["row"]: each["reason"] for each in rows if each["status"] != "ok"}


def test_a_patient_whose_headers_tell_two_sexes_loses_all_usable_rows() -> None:
    rows = [row(1, sex="M"), row(2, sex="F"), row(3), row(4, patient="q", sex="F"), row(5, status="failed", reason="x")]
    set_aside_conflicts(rows)
    assert set(aside(rows)) == {1, 2, 3, 5}
    assert aside(rows)[1].startswith("the patient of rows 1, 2, 3 has two sexes")
    assert aside(rows)[5] == "x"


def test_ages_of_headers_may_be_five_years_apart_and_no_more() -> None:
    rows = [row(1, age=40.0), row(2, age=45.0), row(3, patient="q", age=40.0), row(4, patient="q", age=46.0)]
    set_aside_conflicts(rows)
    assert set(aside(rows)) == {3, 4}


def test_copies_in_one_shard_are_set_aside() -> None:
    rows = [row(1, radiograph_id="a"), row(2, radiograph_id="a"), row(3)]
    set_aside_conflicts(rows)
    assert aside(rows) == {2: "same pixels as row 1; remove the copy"}


def test_what_was_published_as_it_is_is_not_judged_again() -> None:
    rows = [row(1), row(2), row(3), row(4), row(5, status="rejected")]
    published = {tuple(each[name] for name in JUDGED_BY) for each in rows[:3]}
    rows[1]["split"], rows[2]["label"] = "test", "opacity"
    assert [each["row"] for each in not_yet_published(rows, published)] == [2, 3, 4]


def test_reasons_begin_with_the_number_of_today() -> None:
    rows = [row(3, status="rejected", reason="row 2: no label"), row(4, status="failed", reason="same pixels as row 1")]
    name_rows(rows)
    assert aside(rows) == {3: "row 3: no label", 4: "row 4: same pixels as row 1"}
    name_rows(rows)
    assert aside(rows)[3] == "row 3: no label"


def test_masks_left_out_are_counted_for_usable_rows() -> None:
    rows = [row(n, mask_problem=problem) for n, problem in enumerate(["a", "b", "b", None])]
    rows += [row(9, status="failed", mask_problem="a")]
    assert masks_left_out(rows, 1) == [{"reason": "b", "rows": 2}]
    assert masks_left_out(rows, 5) == [{"reason": "b", "rows": 2}, {"reason": "a", "rows": 1}]
