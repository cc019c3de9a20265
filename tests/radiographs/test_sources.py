import io
from collections.abc import Callable

import pytest

from assets.radiographs.cohort_rows import cohort_rows
from assets.radiographs.declaration import CohortDeclaration, Columns, DeclarationError, parse_declaration
from assets.radiographs.declared_masks import CheXmask
from assets.radiographs.identity import assignment
from assets.radiographs.sources import (
    Stats,
    file_stats,
    source_digest_of,
    source_digests,
    source_rows,
    with_masks,
)
from assets.radiographs.split import shard_of

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
        source_digests(TABLE, unreadable, dict, unopened)


HEADER = b"image,label,patient\n"
SHARDED = TABLE.model_copy(update={"shards": 4, "columns": Columns(patient="patient")})
PATIENTS = 40


def table(patients: int = PATIENTS, label: str = "normal") -> bytes:
    rows = [f"{n}.png,{label if n == 7 else 'normal'},p{n}" for n in range(patients)]
    return HEADER + "\n".join(rows).encode()


def stats_of(patients: int = PATIENTS, **changed: tuple[int, str]) -> dict[str, tuple[int, str]]:
    return {f"{n}.png": (9, "mtime 1 1") for n in range(patients)} | {f"{n[1:]}.png": to for n, to in changed.items()}


def digests(data: bytes, stats: Stats, declaration: CohortDeclaration = SHARDED) -> list[str]:
    return source_digests(declaration, serving(data), lambda: stats, unopened)


def changed_shards(before: list[str], after: list[str]) -> set[int]:
    return {shard for shard, (one, other) in enumerate(zip(before, after, strict=True)) if one != other}


def shard_of_patient(patient: str) -> int:
    return shard_of(assignment(patient), SHARDED.shards)


def test_a_file_replaced_under_its_own_name_changes_its_shard_alone() -> None:
    before = digests(table(), stats_of())
    assert len(before) == 4
    for stat in ((9, "mtime 1 2"), (10, "mtime 1 1"), (9, "etag x")):
        assert changed_shards(before, digests(table(), stats_of(_7=stat))) == {shard_of_patient("p7")}
    gone = {path: stat for path, stat in stats_of().items() if path != "7.png"}
    assert changed_shards(before, digests(table(), gone)) == {shard_of_patient("p7")}


def test_a_row_changes_its_shard_alone() -> None:
    before = digests(table(), stats_of())
    assert changed_shards(before, digests(table(label="other"), stats_of())) == {shard_of_patient("p7")}
    added = digests(table(PATIENTS + 1), stats_of())
    assert changed_shards(before, added) == {shard_of_patient(f"p{PATIENTS}")}


def test_a_file_in_front_renumbers_all_and_one_at_the_end_none() -> None:
    """Numbers lead back to files: an old manifest's would lead to another patient's."""
    listing = FOLDERS.model_copy(update={"shards": 4})
    names = [f"well/m{n}.png" for n in range(PATIENTS)]

    def listed(*names: str) -> list[str]:
        return source_digests(listing, unreadable, lambda: {name: (1, "etag x") for name in names}, unopened)

    before = listed(*names)
    assert changed_shards(before, listed("well/a.png", *names)) == {0, 1, 2, 3}
    assert len(changed_shards(before, listed(*names, "well/z.png"))) == 1


def test_a_file_that_no_row_names_changes_nothing() -> None:
    assert digests(table(), {**stats_of(), "notes.txt": (1, "mtime 3 3")}) == digests(table(), stats_of())


def test_a_shard_gets_the_same_digest_from_its_own_files_alone() -> None:
    cohort = cohort_rows(SHARDED, serving(table()), nothing)
    for shard, expected in enumerate(digests(table(), stats_of())):
        rows = cohort.of_shard(shard)
        own = {path: stat for path, stat in stats_of().items() if path in {row.image for row in rows}}
        assert source_digest_of(SHARDED, rows, own, unopened) == expected


def test_header_cohorts_have_one_digest_of_everything() -> None:
    headers = SHARDED.model_copy(update={"patient_from": "header"})
    before = digests(table(), stats_of(), headers)
    assert len(set(before)) == 1
    assert changed_shards(before, digests(table(), stats_of(_7=(9, "mtime 1 2")), headers)) == {0, 1, 2, 3}


def test_digests_follow_names_and_declaration_but_not_titles_and_settings() -> None:
    def listed(declaration: CohortDeclaration, *names: str) -> list[str]:
        return source_digests(declaration, unreadable, lambda: {name: (1, "etag x") for name in names}, unopened)

    named = listed(FOLDERS, "well/a.png")
    silent = {"title": "two", "settings": {"radiographs": {"size": 64}}, "storage_options": {"key": "x"}}
    assert listed(FOLDERS.model_copy(update=silent), "well/a.png") == named
    assert listed(FOLDERS, "well/a.png", "well/b.png") != named
    assert listed(FOLDERS.model_copy(update={"pattern": "**/*.png"}), "well/a.png") != named


def test_phantoms_have_the_digest_of_their_declaration() -> None:
    said = {"name": "p", "kind": "phantom", "normal_labels": ["normal"], "shards": 3}
    few = parse_declaration({**said, "phantom": {"subjects": 4}})
    more = parse_declaration({**said, "phantom": {"subjects": 5}})
    assert len(source_digests(few, unreadable, dict, unopened)) == 3
    assert source_digests(few, unreadable, dict, unopened)[0] == source_digest_of(few, (), {}, unopened)
    assert source_digests(few, unreadable, dict, unopened) != source_digests(more, unreadable, dict, unopened)


def forbidden() -> Stats:
    raise PermissionError("s3://secret")


def test_a_root_that_may_be_read_but_not_listed_has_no_stamps() -> None:
    assert file_stats(TABLE, forbidden) == {}
    with pytest.raises(DeclarationError, match="PermissionError") as caught:
        file_stats(FOLDERS, forbidden)
    assert "secret" not in str(caught.value)


def test_a_web_server_is_not_searched_for_a_tables_files() -> None:
    def crawled() -> Stats:
        raise AssertionError

    assert file_stats(TABLE.model_copy(update={"root": "https://example.org/x"}), crawled) == {}


MASKS = "image_id,Dice RCA (Mean),Left Lung,Right Lung,Height,Width\nclinic_a,0.9,4 2,1 2,10,12\n"
JOINED = parse_declaration(
    {"name": "a", "root": "/x", "folders": {"well": "normal"}, "normal_labels": ["normal"],
     "chexmask": {"table": "m.csv", "id": "image_id"}}
)  # fmt: skip


def listed() -> list[str]:
    return ["well/clinic_a.png", "well/clinic_b.png"]


def opening(text: str) -> Callable[[str], io.BytesIO]:
    return lambda path: io.BytesIO(text.encode())


def joined_digest(declaration: CohortDeclaration, text: str, stamp: str = "") -> list[str]:
    stats = {name: (1, "etag x") for name in listed()} | {"m.csv": (1, stamp)}
    return source_digests(declaration, unreadable, lambda: stats, opening(text))


def test_digests_follow_the_mask_table_by_its_stamp_or_else_its_bytes() -> None:
    other = MASKS.replace("1 2", "1 3")
    assert joined_digest(JOINED, MASKS) != joined_digest(JOINED, other)
    assert joined_digest(JOINED, MASKS, "etag a") == joined_digest(JOINED, other, "etag a")
    assert joined_digest(JOINED, MASKS, "etag a") != joined_digest(JOINED, MASKS, "etag b")
    stricter = JOINED.model_copy(update={"chexmask": CheXmask(table="m.csv", id="image_id", smallest_dice_rca=0.8)})
    assert joined_digest(stricter, MASKS) != joined_digest(JOINED, MASKS)


def test_masks_of_a_table_join_the_rows_of_a_listing() -> None:
    rows = with_masks(JOINED, source_rows(JOINED, unreadable, listed), {1, 2}, opening(MASKS))
    assert [row.encoded_lungs is None for row in rows] == [False, True]
    assert with_masks(FOLDERS, rows, {1, 2}, opening(MASKS)) == rows


def test_a_mask_table_that_cannot_be_read_is_refused_without_its_path() -> None:
    rows = source_rows(JOINED, unreadable, listed)
    unread: list[Callable[[], object]] = [
        lambda: with_masks(JOINED, rows, {1, 2}, unopened),
        lambda: source_digests(JOINED, unreadable, lambda: {name: (1, "") for name in listed()}, unopened),
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
