import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.radiographs.declaration import CohortDeclaration, DeclarationError, parse_declaration
from assets.radiographs.listing import rows_of_listing
from assets.radiographs.lung_masks import EncodedLungs
from assets.radiographs.restriction import only_these_held_out, restrict_rows
from assets.radiographs.table import rows_of, table_of

COLUMNS = {
    "patient": "patient_id", "lung_mask": "lungs", "lesion_mask": "lesion", "boxes": "boxes", "view": "view",
    "sex": "sex", "age": "age", "true_aspect_wh": "aspect",
}  # fmt: skip
HEADER = "image,label,patient_id,lungs,lesion,boxes,view,sex,age,aspect"


def declaration(**change: Any) -> CohortDeclaration:  # noqa: ANN401
    base = {
        "name": "clinic",
        "root": "/data",
        "table": "rows.csv",
        "columns": COLUMNS,
        "normal_labels": ["normal"],
        "abnormal_labels": ["opacity"],
        "other_labels": ["device"],
    }
    return parse_declaration(base | change)


def folders(**change: Any) -> CohortDeclaration:  # noqa: ANN401
    base = {"folders": {"healthy": "normal", "sick": "opacity"}, "table": None, "columns": {}}
    return declaration(**(base | change))


def csv_of(*lines: str) -> pa.Table:
    return table_of("\n".join([HEADER, *lines]).encode())


def test_a_row_is_read_in_full() -> None:
    (row,) = rows_of(declaration(), csv_of('a/1.png,opacity,007,m/1.png,l/1.png,"[[1,2,3,4,""x""]]",pa,Male,54,1.02'))
    assert (row.number, row.image, row.label, row.domain, row.patient) == (1, "a/1.png", "opacity", "abnormal", "007")
    assert (row.lung_mask, row.lesion_mask, row.boxes) == ("m/1.png", "l/1.png", ((1.0, 2.0, 3.0, 4.0, "x"),))
    assert (row.view, row.sex, row.age, row.true_aspect_wh, row.problem) == ("PA", "M", 54.0, 1.02, None)


def test_empty_cells_are_none() -> None:
    (row,) = rows_of(declaration(), csv_of("1.png,device,p,,,,,,,"))
    assert (row.lung_mask, row.lesion_mask, row.boxes, row.view, row.sex, row.age) == (None, None, (), None, None, None)
    assert (row.domain, row.true_aspect_wh, row.problem) == ("other", None, None)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("1.png,xyz,p,,,,,,,", "its label is unknown to the declaration; list it in"),
        ("1.png,,p,,,,,,,", "no label"),
        (",normal,p,,,,,,,", "image is empty"),
        ("../1.png,normal,p,,,,,,,", "image leaves its folder"),
        ("/etc/1.png,normal,p,,,,,,,", "image is absolute"),
        ("a\\1.png,normal,p,,,,,,,", "image has a backslash"),
        ("1.png,normal,,,,,,,,", "no patient id"),
        ("1.png,normal,p,../m.png,,,,,,", "lung_mask leaves its folder"),
        ("1.png,normal,p,,s3://x/m.png,,,,,", "lesion_mask is absolute"),
        ("1.png,normal,p,,,[[1],,,,", "boxes cannot be read"),
        ("1.png,normal,p,,,,,,,wide", "true_aspect_wh is no number"),
    ],
)
def test_what_is_wrong_with_a_row_is_said_and_never_raised(line: str, reason: str) -> None:
    (row,) = rows_of(declaration(), csv_of(line))
    assert row.problem is not None
    assert row.problem.startswith(reason)


def test_a_repeated_image_path_is_a_problem_of_the_later_row() -> None:
    rows = rows_of(declaration(), csv_of("1.png,normal,p,,,,,,,", "2.png,normal,q,,,,,,,", "1.png,normal,p,,,,,,,"))
    assert [row.problem for row in rows] == [None, None, "same image path as row 1; keep one of the two rows"]


def test_a_missing_column_is_named_with_the_columns_there_are() -> None:
    table = table_of(b"image,klass,patient_id\n1.png,normal,p\n")
    with pytest.raises(DeclarationError, match=r"columns.label: .* no column 'label'.* among its"):
        rows_of(declaration(columns={"patient": "patient_id"}), table)


def test_names_and_reasons_hold_no_patient() -> None:
    lines = ["doe_jane.png,xyz,MRN-1,,,,,,,", "doe_jane.png,normal,MRN-1,,,,,,,"]
    rows = rows_of(declaration(), csv_of(*lines))
    for row in rows:
        assert "doe" not in str(row.problem)
        assert "MRN" not in repr(row)
        assert "doe" not in repr(row)


def test_patients_from_file_names() -> None:
    named = declaration(columns={}, patient_from="name", patient_pattern=r"(?P<patient>[A-Z]+\d+)_\d")
    rows = rows_of(named, table_of(b"image,label\nx/CH01_0.png,normal\nx/CH01_1.png,normal\nother.png,normal\n"))
    assert [row.patient for row in rows] == ["CH01", "CH01", None]
    assert rows[2].problem is not None
    assert "patient_pattern" in rows[2].problem
    plain = rows_of(declaration(columns={}), table_of(b"image,label\nx/CH01_0.png,normal\n"))
    assert plain[0].patient == "CH01_0"


def test_patients_from_headers_are_left_open() -> None:
    (row,) = rows_of(declaration(columns={}, patient_from="header"), table_of(b"image,label\n1.dcm,normal\n"))
    assert (row.patient, row.problem) == (None, None)


def test_parquet_and_csv_give_the_same_rows() -> None:
    line = "1.png,normal,7,,,[],PA,F,54,1.02"
    typed = pa.table(
        {"image": ["1.png"], "label": ["normal"], "patient_id": [7], "lungs": pa.nulls(1), "lesion": pa.nulls(1),
         "boxes": pa.array([[]], pa.list_(pa.list_(pa.float64()))), "view": ["PA"], "sex": ["F"], "age": [54.0],
         "aspect": [1.02]}
    )  # fmt: skip
    buffer = io.BytesIO()
    pq.write_table(typed, buffer)
    assert rows_of(declaration(), table_of(buffer.getvalue())) == rows_of(declaration(), csv_of(line))


def test_csv_cells_stay_text_and_a_byte_order_mark_is_no_name() -> None:
    table = table_of("\ufeffimage,label\n1.png,007\n\n".encode())
    assert table.to_pylist() == [{"image": "1.png", "label": "007"}]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"PAR1 and then nothing", "damaged Parquet"),
        (b"\xff\xfe\x00", "neither Parquet nor CSV"),
        (b"a,a\n1,2\n", "'a' twice"),
        (b"a,b\n1,2\n1,2,3\n", "row 2 of the table has 3 cells, its header 2"),
    ],
)
def test_tables_that_cannot_be_read(data: bytes, words: str) -> None:
    with pytest.raises(DeclarationError, match=words):
        table_of(data)


def test_a_listing_gives_labels_by_folder_in_sorted_order() -> None:
    names = ["sick/b.png", "healthy/a.png", "notes.txt", "elsewhere/c.png", "healthy/.hidden.png", "sick/deep/d.png"]
    rows = rows_of_listing(folders(), names)
    assert [(row.number, row.image, row.domain) for row in rows] == [
        (1, "healthy/a.png", "normal"),
        (2, "sick/b.png", "abnormal"),
        (3, "sick/deep/d.png", "abnormal"),
    ]
    assert [row.patient for row in rows] == ["a", "b", "d"]
    assert rows == rows_of_listing(folders(), names[::-1])


def test_the_deepest_folder_labels() -> None:
    nested = folders(folders={".": "normal", "tb/active": "opacity"})
    rows = rows_of_listing(nested, ["a.png", "tb/b.png", "tb/active/c.png", "tb/active2/d.png"])
    assert [(row.image, row.domain) for row in rows] == [
        ("a.png", "normal"),
        ("tb/active/c.png", "abnormal"),
        ("tb/active2/d.png", "normal"),
        ("tb/b.png", "normal"),
    ]


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("**/*", ["healthy/a.png", "healthy/x/b.dcm", "sick/c.dcm"]),
        ("**/*.dcm", ["healthy/x/b.dcm", "sick/c.dcm"]),
        ("*/*.dcm", ["sick/c.dcm"]),
        ("healthy/**", ["healthy/a.png", "healthy/x/b.dcm"]),
        ("**/?.png", ["healthy/a.png"]),
        ("*.png", []),
    ],
)
def test_patterns(pattern: str, kept: list[str]) -> None:
    rows = rows_of_listing(folders(pattern=pattern), ["healthy/a.png", "healthy/x/b.dcm", "sick/c.dcm"])
    assert [row.image for row in rows] == kept


def test_masks_are_found_by_path_or_by_name() -> None:
    masked = folders(mask_folder="masks", mask_suffix="_m.png", folders={".": "normal"})
    names = ["healthy/a.jpg", "healthy/b.jpg", "c.jpg", "masks/healthy/a_m.png", "masks/b_m.png"]
    rows = rows_of_listing(masked, names)
    assert [(row.image, row.lung_mask) for row in rows] == [
        ("c.jpg", None),
        ("healthy/a.jpg", "masks/healthy/a_m.png"),
        ("healthy/b.jpg", "masks/b_m.png"),
    ]


def test_one_mask_name_for_two_images_is_a_problem() -> None:
    rows = rows_of_listing(folders(mask_folder="masks"), ["healthy/1.jpg", "sick/1.jpg", "masks/1.png"])
    assert all(row.problem and "share one mask's name" in row.problem for row in rows)
    assert [row.lung_mask for row in rows] == [None, None]


def test_pairs_are_found_by_path_or_by_name_in_both_folders() -> None:
    paired = folders(right_mask_folder="m/right", left_mask_folder="m/left", folders={".": "normal"})
    names = [
        "healthy/a.jpg",
        "b.jpg",
        "c.jpg",
        "m/right/healthy/a.png",
        "m/left/a.png",
        "m/right/b.png",
        "m/left/b.png",
    ]
    rows = rows_of_listing(paired, names)
    assert [(row.image, row.right_lung_mask, row.left_lung_mask, row.problem) for row in rows] == [
        ("b.jpg", "m/right/b.png", "m/left/b.png", None),
        ("c.jpg", None, None, None),
        ("healthy/a.jpg", "m/right/healthy/a.png", "m/left/a.png", None),
    ]


def test_half_a_pair_is_a_problem_that_names_the_missing_side() -> None:
    paired = folders(right_mask_folder="m/right", left_mask_folder="m/left")
    rows = rows_of_listing(paired, ["healthy/a.jpg", "healthy/b.jpg", "m/right/a.png", "m/left/b.png"])
    assert str(rows[0].problem).startswith("has a mask of the right lung but none of the left; add it")
    assert str(rows[1].problem).startswith("has a mask of the left lung but none of the right; add it")


def test_one_name_of_a_side_for_two_images_is_told_rather_than_half_a_pair() -> None:
    paired = folders(right_mask_folder="m/right", left_mask_folder="m/left")
    names = ["healthy/1.jpg", "sick/1.jpg", "m/right/healthy/1.png", "m/left/1.png"]
    assert all("share one mask's name" in str(row.problem) for row in rows_of_listing(paired, names))


def test_pairs_of_a_table() -> None:
    paired = declaration(columns={"right_lung_mask": "r", "left_lung_mask": "l"})
    table = table_of(b"image,label,r,l\n1.png,normal,r/1.png,l/1.png\n2.png,normal,,\n3.png,normal,r/3.png,\n"
                     b"4.png,normal,../4.png,l/4.png\n")  # fmt: skip
    rows = rows_of(paired, table)
    assert [(row.right_lung_mask, row.left_lung_mask) for row in rows[:2]] == [("r/1.png", "l/1.png"), (None, None)]
    assert [row.problem for row in rows[:2]] == [None, None]
    assert "none of the left" in str(rows[2].problem)
    assert "right_lung_mask leaves its folder" in str(rows[3].problem)


def test_encoded_masks_of_a_table_leave_their_row_usable_whatever_they_hold() -> None:
    roles = {"right_lung_rle": "r", "left_lung_rle": "l", "mask_height": "h", "mask_width": "w"}
    lines = b"image,label,r,l,h,w\n1.png,normal,1 2,4 2,10,12\n2.png,normal,,,,\n3.png,normal,1 2,,10,12\n"
    rows = rows_of(declaration(columns=roles), table_of(lines))
    assert rows[0].encoded_lungs == EncodedLungs("1 2", "4 2", 10, 12)
    assert [row.problem for row in rows] == [None, None, None]
    assert [row.encoded_lungs for row in rows[1:]] == [None, None]
    assert rows[1].mask_problem is None
    assert "right lung alone" in str(rows[2].mask_problem)
    assert "1 2" not in repr(rows[0])


def test_rows_are_restricted_to_those_named() -> None:
    rows = rows_of(declaration(), csv_of("1.png,normal,p,,,,,,,", "2.png,normal,q,,,,,,,", "3.png,opacity,r,,,,,,,"))
    kept = restrict_rows(rows, ["# balanced", "3.png", "", "1.png "])
    assert [(row.number, row.image) for row in kept] == [(1, "1.png"), (3, "3.png")]
    with pytest.raises(DeclarationError, match="2 of 3 lines name no image of the cohort, the first is line 2"):
        restrict_rows(rows, ["1.png", "jane.png", "4.png"])


def test_patients_with_an_image_that_is_not_named_are_only_trained_on() -> None:
    lines = ["1.png,normal,p,,,,,,,", "2.png,normal,p,,,,,,,", "3.png,opacity,r,,,,,,,", "4.png,normal,s,,,,,,,"]
    rows = rows_of(declaration(), csv_of(*lines))
    kept = only_these_held_out(rows, ["1.png", "3.png"])
    assert [(row.image, row.may_be_held_out) for row in kept] == [
        ("1.png", False),
        ("2.png", False),
        ("3.png", True),
        ("4.png", False),
    ]
    with pytest.raises(DeclarationError, match="1 of 1 lines name no image"):
        only_these_held_out(rows, ["5.png"])


@pytest.mark.parametrize("change", [{}, {"rows": "rows.txt", "patient_from": "header"}])
def test_who_is_held_out_must_be_named_and_known(change: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="rows_for is held_out; name the images in rows"):
        declaration(rows_for="held_out", **change)


def test_without_labels_the_column_is_not_looked_for() -> None:
    none = {"normal_labels": [], "abnormal_labels": [], "other_labels": [], "unlabelled": True, "columns": {}}
    (row,) = rows_of(declaration(**none), table_of(b"image,finding\n1.png,tuberculosis\n"))
    assert (row.label, row.domain, row.problem) == ("unlabelled", "other", None)
    (row,) = rows_of_listing(folders(**(none | {"folders": {"new": "anything"}})), ["new/1.png"])
    assert (row.label, row.domain, row.problem) == ("unlabelled", "other", None)
