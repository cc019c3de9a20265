from assets.radiographs import cohort_rows as module
from assets.radiographs.cohort_rows import cohort_rows
from assets.radiographs.declaration import parse_declaration
from assets.radiographs.identity import assignment
from assets.radiographs.sources import source_rows
from assets.radiographs.split import shard_of

DECLARED = parse_declaration(
    {
        "name": "a",
        "root": "/x",
        "table": "t.csv",
        "columns": {"patient": "patient"},
        "normal_labels": ["normal"],
        "shards": 3,
    }
)
TABLE = b"image,label,patient\n" + b"".join(b"%d.png,normal,p%d\n" % (n, n % 12) for n in range(30))


def read(path: str) -> bytes:
    return TABLE


def no_names() -> list[str]:
    raise AssertionError


def test_every_row_is_in_the_shard_of_its_patient() -> None:
    cohort = cohort_rows(DECLARED, read, no_names)
    assert list(cohort.rows) == source_rows(DECLARED, read, no_names)
    shards = [cohort.of_shard(shard) for shard in range(3)]
    assert sorted(row.number for rows in shards for row in rows) == list(range(1, 31))
    for shard, rows in enumerate(shards):
        assert rows
        assert {shard_of(assignment(row.patient or ""), 3) for row in rows} == {shard}
    assert cohort.of_shard(3) == []


def test_a_row_without_patient_or_image_is_in_one_shard_too() -> None:
    cohort = cohort_rows(DECLARED, lambda path: b"image,label,patient\n,normal,\n,normal,\n", no_names)
    found = [row.number for shard in range(3) for row in cohort.of_shard(shard)]
    assert sorted(found) == [1, 2]


def test_headers_leave_every_row_to_every_shard() -> None:
    cohort = cohort_rows(DECLARED.model_copy(update={"patient_from": "header"}), read, no_names)
    assert cohort.by_header
    assert all(cohort.of_shard(shard) == list(cohort.rows) for shard in range(3))


def test_one_table_is_parsed_once() -> None:
    module._parsed.cache_clear()
    first = cohort_rows(DECLARED, read, no_names)
    retitled = DECLARED.model_copy(update={"title": "another", "settings": {"radiographs": {"size": 64}}})
    assert cohort_rows(retitled, read, no_names) is first
    assert cohort_rows(DECLARED, lambda path: TABLE + b"x.png,normal,p1\n", no_names) is not first
    assert cohort_rows(DECLARED.model_copy(update={"shards": 2}), read, no_names) is not first
    listed = parse_declaration({"name": "a", "root": "/x", "folders": {".": "normal"}, "normal_labels": ["normal"]})
    assert len(cohort_rows(listed, read, lambda: ["a.png"]).rows) == 1
    assert len(cohort_rows(listed, read, lambda: ["a.png", "b.png"]).rows) == 2
