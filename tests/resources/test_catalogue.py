from pathlib import Path

import pytest

from resources.catalogue import CatalogueError, Entry, entries, entry_named, folders, read_entry, shard_names


def written(folder: Path, name: str, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems() -> list[str]:
    return [entry.problem for entry in entries() if entry.problem]


def test_shipped_registered_and_named_folders_are_looked_through(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDOPAIR_COHORTS", f"{tmp_path / 'a'}:{tmp_path / 'nowhere'}:{tmp_path / 'b'}")
    written(home / "cohorts", "mine", "name: mine")
    written(tmp_path / "a", "one", "name: one")
    written(tmp_path / "b", "two", "name: two")
    written(tmp_path / "b" / "deeper", "three", "name: three")
    assert [folder.name for folder in folders()] == ["cohorts", "cohorts", "a", "nowhere", "b"]
    names = {entry.name for entry in entries()}
    assert {"phantom", "mine", "one", "two"} <= names
    assert "three" not in names
    assert problems() == []


def test_examples_are_no_cohorts(home: Path) -> None:
    assert "my_hospital" not in {entry.name for entry in entries()}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: [", "not readable as YAML"),
        ("name: !!python/object/apply:os.getcwd []", "not readable as YAML"),
        ("- a\n- b", "expected a mapping with a `name`"),
        ("", "expected a mapping with a `name`"),
        ("title: no name", "expected a mapping with a `name`"),
        ("name: 7", "expected a mapping with a `name`"),
        ("name: a/b", "cannot stand in partition keys"),
        ('name: "a...b"', "cannot stand in partition keys"),
        ('name: ""', "cannot stand in partition keys"),
    ],
)
def test_a_wrong_file_is_left_out_with_its_problem_and_the_others_stay(home: Path, text: str, problem: str) -> None:
    written(home / "cohorts", "wrong", text)
    written(home / "cohorts", "right", "name: right")
    assert len(problems()) == 1
    assert problems()[0].startswith("wrong.yaml: ")
    assert problem in problems()[0]
    assert entry_named("right").mapping == {"name": "right"}


def test_a_file_that_is_no_text_is_left_out(home: Path) -> None:
    path = written(home / "cohorts", "wrong", "")
    path.write_bytes(b"name: \xff\xfe")
    assert "UnicodeDecodeError" in read_entry(path).problem


def test_the_second_file_of_a_name_is_left_out(home: Path) -> None:
    written(home / "cohorts", "a", "name: same\ntitle: first")
    written(home / "cohorts", "b", "name: same\ntitle: second")
    assert entry_named("same").mapping["title"] == "first"
    assert problems() == ["b.yaml: a cohort named 'same' is declared already in a.yaml; rename one"]


def test_an_unknown_cohort_is_answered_with_the_known_ones(home: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no cohort is named 'phantm'; there are: .*phantom"):
        entry_named("phantm")


def test_variables_are_expanded_everywhere_and_unknown_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BUCKET", "images")
    monkeypatch.setenv("PSEUDOPAIR_DATA", "/data")
    text = (
        "name: x\nroot: ${PSEUDOPAIR_DATA}/x\nlist: ['${BUCKET}', 3]\n"
        "deep: {a: 's3://${BUCKET}/${BUCKET}', b: '${COHORT_FOLDER}/t', c: '${NOT_SET_ANYWHERE}', d: $BUCKET}\n"
    )
    mapping = read_entry(written(tmp_path, "x", text)).mapping
    assert mapping["root"] == "/data/x"
    assert mapping["list"] == ["images", 3]
    assert mapping["deep"] == {
        "a": "s3://images/images",
        "b": f"{tmp_path}/t",
        "c": "${NOT_SET_ANYWHERE}",
        "d": "$BUCKET",
    }


@pytest.mark.parametrize(
    ("shards", "first", "last", "count"),
    [(1, "x/0", "x/0", 1), (10, "x/0", "x/9", 10), (11, "x/00", "x/10", 11), (64, "x/00", "x/63", 64)],
)
def test_shards_are_numbered_so_that_they_sort(shards: int, first: str, last: str, count: int) -> None:
    names = shard_names({"name": "x", "shards": shards})
    assert (names[0], names[-1], len(names)) == (first, last, count)
    assert names == sorted(names)


@pytest.mark.parametrize("shards", [0, -1, 100, "many", None])
def test_a_wrong_number_of_shards_keeps_no_other_cohort_from_loading(shards: object) -> None:
    assert shard_names({"name": "x", "shards": shards}) == ["x/0"]


def test_an_entry_says_where_it_comes_from(home: Path) -> None:
    path = written(home / "cohorts", "mine", "name: mine")
    assert read_entry(path) == Entry(path, "mine", {"name": "mine"})
