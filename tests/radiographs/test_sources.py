from collections.abc import Callable

import pytest

from assets.radiographs.declaration import DeclarationError, parse_declaration
from assets.radiographs.sources import source_digest, source_rows

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
        source_digest(TABLE, unreadable, nothing)


def test_digest_follows_names_and_table_but_not_titles() -> None:
    other_title = FOLDERS.model_copy(update={"title": "two"})
    assert source_digest(FOLDERS, unreadable, nothing) == source_digest(other_title, unreadable, nothing)
    assert source_digest(FOLDERS, unreadable, nothing) != source_digest(FOLDERS, unreadable, lambda: ["well/a.png"])
    assert source_digest(TABLE, serving(b"a"), nothing) != source_digest(TABLE, serving(b"b"), nothing)
