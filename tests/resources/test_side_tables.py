from pathlib import Path

import pyarrow as pa
import pytest

from resources.manifests import Place, digest_of, table_bytes
from resources.object_store import ObjectStore
from resources.side_tables import read_side_tables, write_side_table

SCHEMA = pa.schema([("name", pa.string()), ("size", pa.int64())])
PLACE = Place("radiographs", "nih/07")


def rows(*names: str) -> pa.Table:
    return pa.table({"name": list(names), "size": list(range(len(names)))}, schema=SCHEMA)


def names_in(store: ObjectStore) -> list[str]:
    table, _ = read_side_tables(store, PLACE, "sources", SCHEMA)
    assert table.schema == SCHEMA
    return sorted(table["name"].to_pylist())


def test_tables_are_read_together_and_replaced_together(store: ObjectStore) -> None:
    assert read_side_tables(store, PLACE, "sources", SCHEMA) == (SCHEMA.empty_table(), [])
    write_side_table(store, PLACE, "sources", rows("a", "b"))
    write_side_table(store, PLACE, "sources", rows("c"))
    assert names_in(store) == ["a", "b", "c"]
    _, paths = read_side_tables(store, PLACE, "sources", SCHEMA)
    write_side_table(store, PLACE, "sources", rows("c"), paths)
    assert names_in(store) == ["c"]
    assert len(store.find(PLACE.folder)) == 1


def test_what_another_run_wrote_meanwhile_stays(local_store: ObjectStore) -> None:
    write_side_table(local_store, PLACE, "sources", rows("old"))
    _, paths = read_side_tables(local_store, PLACE, "sources", SCHEMA)
    write_side_table(local_store, PLACE, "sources", rows("other run"))
    write_side_table(local_store, PLACE, "sources", rows("new"), paths)
    assert names_in(local_store) == ["new", "other run"]


def test_an_unchanged_table_is_not_written_again(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write_side_table(local_store, PLACE, "sources", rows("a"))
    _, paths = read_side_tables(local_store, PLACE, "sources", SCHEMA)
    monkeypatch.setattr(ObjectStore, "write", lambda *arguments: pytest.fail("written"))
    monkeypatch.setattr(ObjectStore, "delete", lambda *arguments: pytest.fail("deleted"))
    write_side_table(local_store, PLACE, "sources", rows("a"), paths)


def test_an_empty_table_leaves_nothing(local_store: ObjectStore) -> None:
    write_side_table(local_store, PLACE, "sources", rows("a"))
    _, paths = read_side_tables(local_store, PLACE, "sources", SCHEMA)
    write_side_table(local_store, PLACE, "sources", rows(), paths)
    assert local_store.find(PLACE.folder) == set()


def test_any_altered_byte_makes_a_table_as_if_it_were_not_there(local_store: ObjectStore) -> None:
    write_side_table(local_store, PLACE, "sources", rows("a", "b"))
    (path,) = local_store.find(PLACE.folder)
    file = Path(local_store.root) / path
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert names_in(local_store) == []
    file.write_bytes(whole[:20])
    assert names_in(local_store) == []


@pytest.mark.parametrize("data", [b"no Parquet", table_bytes(pa.table({"name": ["a"], "bytes": [1]}))])
def test_a_foreign_table_is_passed_over_and_replaced(local_store: ObjectStore, data: bytes) -> None:
    local_store.write(f"{PLACE.folder}/sources/{digest_of(data)}.parquet", data)
    table, paths = read_side_tables(local_store, PLACE, "sources", SCHEMA)
    assert (table.num_rows, len(paths)) == (0, 1)
    write_side_table(local_store, PLACE, "sources", rows("a"), paths)
    assert names_in(local_store) == ["a"]
    assert len(local_store.find(PLACE.folder)) == 1
