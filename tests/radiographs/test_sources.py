import hashlib
import io
import json
from collections.abc import Callable

import pytest

from assets.radiographs.declaration import DeclarationError, parse_declaration
from assets.radiographs.declared_masks import CheXmask
from assets.radiographs.sources import source_digest, source_rows, with_masks

FOLDERS = parse_declaration(
    {"name": "a", "root": "/x", "folders": {"well": "normal"}, "normal_labels": ["normal"], "title": "one"}
)
TABLE = parse_declaration({"name": "a", "root": "/x", "table": "t.csv", "normal_labels": ["normal"]})


def nothing() -> list[str]:
    return []


def serving(data: bytes) -> Callable[[str], bytes]:
    return lambda path: data


def unreadable(path: str) -> bytes:
    raise PermissionError(path)


def unopened(path: str) -> io.BytesIO:
    raise PermissionError(path)


def test_rows_are_numbered_by_the_sorted_listing() -> None:
    rows = source_rows(FOLDERS, unreadable, lambda: ["well/b.png", "well/a.png"])
    assert [(row.number, row.image) for row in rows] == [(1, "well/a.png"), (2, "well/b.png")]


def test_an_empty_root_is_refused_with_what_to_check() -> None:
    with pytest.raises(DeclarationError, match="check `root`"):
        source_rows(FOLDERS, unreadable, nothing)


def test_an_unreadable_table_is_refused_without_its_path() -> None:
    with pytest.raises(DeclarationError, match="PermissionError") as caught:
        source_rows(TABLE, unreadable, nothing)
    assert "t.csv" not in str(caught.value)
    with pytest.raises(DeclarationError, match="cannot be read"):
        source_digest(TABLE, unreadable, nothing, unopened)


def test_digest_follows_names_and_table_but_not_titles() -> None:
    other_title = FOLDERS.model_copy(update={"title": "two"})
    named = source_digest(FOLDERS, unreadable, nothing, unopened)
    assert named == source_digest(other_title, unreadable, nothing, unopened)
    assert named != source_digest(FOLDERS, unreadable, lambda: ["well/a.png"], unopened)
    tables = [source_digest(TABLE, serving(data), nothing, unopened) for data in (b"a", b"b")]
    assert tables[0] != tables[1]


MASKS = "image_id,Dice RCA (Mean),Left Lung,Right Lung,Height,Width\nclinic_a,0.9,4 2,1 2,10,12\n"
JOINED = parse_declaration(
    {"name": "a", "root": "/x", "folders": {"well": "normal"}, "normal_labels": ["normal"],
     "chexmask": {"table": "m.csv", "id": "image_id"}}
)  # fmt: skip


def listed() -> list[str]:
    return ["well/clinic_a.png", "well/clinic_b.png"]


def opening(text: str) -> Callable[[str], io.BytesIO]:
    return lambda path: io.BytesIO(text.encode())


def test_digest_follows_the_mask_table() -> None:
    other = MASKS.replace("1 2", "1 3")
    digests = [source_digest(JOINED, unreadable, listed, opening(text)) for text in (MASKS, other)]
    assert digests[0] != digests[1]
    stricter = JOINED.model_copy(update={"chexmask": CheXmask(table="m.csv", id="image_id", smallest_dice_rca=0.8)})
    assert source_digest(stricter, unreadable, listed, opening(MASKS)) != digests[0]


def test_digest_knows_no_field_that_is_not_set() -> None:
    said = {"name": "a", "root": "/x", "folders": {"well": "normal"}, "normal_labels": ["normal"]}
    expected = hashlib.sha256(json.dumps(said, sort_keys=True).encode() + b"well/a.png").hexdigest()
    assert source_digest(FOLDERS, unreadable, lambda: ["well/a.png"], unopened) == expected


def test_masks_of_a_table_join_the_rows_of_a_listing() -> None:
    rows = with_masks(JOINED, source_rows(JOINED, unreadable, listed), {1, 2}, opening(MASKS))
    assert [row.encoded_lungs is None for row in rows] == [False, True]
    assert with_masks(FOLDERS, rows, {1, 2}, opening(MASKS)) == rows


def test_a_mask_table_that_cannot_be_read_is_refused_without_its_path() -> None:
    rows = source_rows(JOINED, unreadable, listed)
    unread: list[Callable[[], object]] = [
        lambda: with_masks(JOINED, rows, {1, 2}, unopened),
        lambda: source_digest(JOINED, unreadable, listed, unopened),
    ]
    for attempt in unread:
        with pytest.raises(DeclarationError, match=r"mask table .* \(PermissionError\); check chexmask") as caught:
            attempt()
        assert "m.csv" not in str(caught.value)
    with pytest.raises(DeclarationError, match="'Height' not at all"):
        with_masks(JOINED, rows, {1, 2}, opening(MASKS.replace("Height", "Rows")))


def test_a_mask_table_among_the_images_is_none_of_them() -> None:
    everything = JOINED.model_copy(update={"folders": {".": "normal"}})
    rows = source_rows(everything, unreadable, lambda: ["clinic_a.png", "m.csv", "other/m.csv"])
    assert [row.image for row in rows] == ["clinic_a.png", "other/m.csv"]
