from typing import Any

import pytest

from assets.radiographs.declaration import DeclarationError, parse_declaration, schema
from assets.radiographs.paths import path_problem

TABLE: dict[str, Any] = {
    "name": "clinic",
    "root": "/data/clinic",
    "table": "rows.csv",
    "normal_labels": ["normal"],
    "abnormal_labels": ["opacity"],
}
FOLDERS: dict[str, Any] = {
    "name": "clinic",
    "root": "s3://bucket/clinic",
    "folders": {"healthy": "normal", "sick": "opacity"},
    "normal_labels": ["normal"],
    "abnormal_labels": ["opacity"],
}


def refusal(mapping: dict[str, Any]) -> str:
    with pytest.raises(DeclarationError) as caught:
        parse_declaration(mapping)
    return str(caught.value)


def test_a_table_cohort() -> None:
    found = parse_declaration(TABLE | {"columns": {"patient": "id"}})
    assert (found.columns.image, found.columns.label, found.columns.patient) == ("image", "label", "id")
    assert (found.kind, found.shards, found.undo_squash) == ("files", 1, False)


def test_where_patients_come_from_by_default() -> None:
    assert parse_declaration(TABLE | {"columns": {"patient": "id"}}).patient_rule == "column"
    assert parse_declaration(TABLE).patient_rule == "name"
    assert parse_declaration(FOLDERS).patient_rule == "name"
    assert parse_declaration(FOLDERS | {"patient_from": "header"}).patient_rule == "header"


def test_labels_have_domains() -> None:
    found = parse_declaration(TABLE | {"other_labels": ["device"]})
    assert [found.domain_of(label) for label in ("normal", "opacity", "device", "cat")] == [
        "normal",
        "abnormal",
        "other",
        None,
    ]


def test_images_without_labels_are_of_no_known_domain() -> None:
    none: dict[str, list[str]] = {"normal_labels": [], "abnormal_labels": [], "other_labels": []}
    parsed = parse_declaration(TABLE | none | {"unlabelled": True})
    assert parsed.domain_of("whatever") == parsed.domain_of("") == "other"
    # Folders need labels to be told apart by, and nobody asks what they mean.
    parse_declaration(FOLDERS | none | {"unlabelled": True})
    assert parse_declaration(TABLE | none | {"other_labels": ["unknown"]}).domain_of("unknown") == "other"


def test_a_phantom_cohort_needs_no_files() -> None:
    found = parse_declaration({"name": "p", "kind": "phantom", "phantom": {"subjects": 8}, "normal_labels": ["normal"]})
    assert found.phantom == {"subjects": 8}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": "My Clinic"}, ["`name`", "'My Clinic'"]),
        ({"name": "x" * 41}, ["`name`"]),
        ({"shards": 0}, ["`shards`", "found 0", "greater than or equal to 1"]),
        ({"shards": 100}, ["`shards`", "found 100", "less than or equal to 99"]),
        ({"colums": {}}, ["`colums`", "did you mean `columns`"]),
        ({"quite_another": 1}, ["`quite_another`", "known: name, title"]),
        ({"columns": {"lungmask": "m"}}, ["`columns.lungmask`", "did you mean `lung_mask`"]),
        ({"kind": "dicom"}, ["`kind`", "'files' or 'phantom'"]),
        ({"root": ""}, ["root is missing"]),
        ({"table": None}, ["either table or folders"]),
        ({"folders": {"a": "normal"}}, ["either table or folders"]),
        ({"table": "../rows.csv"}, ["`table`", "leaves its folder"]),
        ({"rows": "/etc/names"}, ["`rows`", "relative to the root"]),
        ({"mask_folder": "masks"}, ["columns.lung_mask"]),
        ({"left_mask_folder": "masks"}, ["columns.left_lung_mask"]),
        ({"columns": {"left_lung_mask": "l"}}, ["left_lung_mask is set without right_lung_mask; set both"]),
        ({"columns": {"right_lung_rle": "r", "mask_width": "w"}}, ["without left_lung_rle, mask_height; set all"]),
        (
            {"columns": {"lung_mask": "m"}, "chexmask": {"table": "m.csv", "id": "i"}},
            ["by lung_mask and by chexmask", "keep one"],
        ),
        ({"chexmask": {"id": "i"}}, ["`chexmask.table` is missing"]),
        ({"chexmask": {"table": "/m.csv", "id": "i"}}, ["`chexmask.table`", "relative to the root"]),
        ({"chexmask": {"table": "m.csv", "id": "i", "tabel": "x"}}, ["`chexmask.tabel`", "did you mean `table`"]),
        ({"chexmask": {"table": "m.csv", "id": "i", "smallest_dice_rca": 70}}, ["less than or equal to 1"]),
        ({"patient_from": "column"}, ["columns.patient is not set"]),
        ({"patient_pattern": "(unclosed"}, ["`patient_pattern`", "not a regular expression"]),
        ({"patient_pattern": "(.*)"}, ["`patient_pattern`", "(?P<patient>...)"]),
        ({"other_labels": ["normal"]}, ["label 'normal' is listed twice"]),
        ({"normal_labels": [], "abnormal_labels": []}, ["list at least one"]),
        ({"unlabelled": True}, ["unlabelled is set, but labels are listed", "remove them or unlabelled"]),
        ({"phantom": {}}, ["write kind: phantom"]),
        ({"settings": {"radiographs": 3}}, ["`settings.radiographs`", "found 3"]),
    ],
)
def test_wrong_declarations_say_field_finding_and_remedy(change: dict[str, Any], words: list[str]) -> None:
    text = refusal(TABLE | change)
    assert text.startswith("cohort ")
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"folders": {"healthy": "normal", "sick": "cough"}}, "'cough' is not listed"),
        ({"folders": {"../healthy": "normal"}}, "'../healthy' leaves its folder"),
        ({"right_mask_folder": "right"}, "right_mask_folder is set without left_mask_folder; set both"),
        ({"right_mask_folder": "../right", "left_mask_folder": "left"}, "`right_mask_folder`: the path leaves"),
        ({"mask_folder": "m", "right_mask_folder": "r", "left_mask_folder": "l"}, "keep one of them"),
    ],
)
def test_wrong_folders(change: dict[str, Any], words: str) -> None:
    assert words in refusal(FOLDERS | change)


def test_a_phantom_cohort_with_files_or_unknown_fields_is_refused() -> None:
    phantom = {"name": "p", "kind": "phantom", "normal_labels": ["normal"]}
    assert "remove root, table" in refusal(phantom | {"root": "/data", "table": "t.csv"})
    assert "remove chexmask" in refusal(phantom | {"chexmask": {"table": "m.csv", "id": "i"}})
    assert "did you mean `size`" in refusal(phantom | {"phantom": {"sise": 64}})


def test_a_missing_name_and_several_problems_at_once() -> None:
    text = refusal({"shards": 0, "root": 3})
    assert "`name` is missing" in text
    assert len(text.splitlines()) == 3


def test_storage_options_are_not_repeated() -> None:
    secret = {"storage_options": {"secret": "s3cr3t"}}
    assert "s3cr3t" not in repr(parse_declaration(TABLE | secret))
    assert "s3cr3t" not in refusal(TABLE | {"storage_options": {"secret": ["s3cr3t"]}})


def test_the_schema_describes_every_field() -> None:
    fields = schema()["properties"]
    assert all("description" in field for field in fields.values())
    assert fields["shards"]["maximum"] == 99


@pytest.mark.parametrize("path", ["a.png", "images/a b.png", "été/1.dcm"])
def test_plain_paths_are_safe(path: str) -> None:
    assert path_problem(path) is None


@pytest.mark.parametrize(
    "path",
    ["", " ", "/a", "~/a", "C:/a", "s3://b/a", "..", "a/../b", "a//b", "./a", "a\\b", "a\nb", "a/\x00"],
)
def test_other_paths_are_not(path: str) -> None:
    assert path_problem(path) is not None
