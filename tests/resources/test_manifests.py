import json
import subprocess
import sys
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from resources.arrays import CorruptArtifact, encode
from resources.manifests import (
    Place,
    digest_of,
    fingerprint,
    pointer_version,
    publish,
    read_artifact,
    read_manifest,
    read_pointer,
    read_previous,
    require_current,
    table_bytes,
)
from resources.object_store import ObjectStore, StoreConflict

PLACE = Place("lung_masks", "phantom/0")
SCHEMA = pa.schema([("key", pa.string()), ("status", pa.string()), ("area", pa.float64())])


def table(*areas: float, status: str = "ok") -> pa.Table:
    return pa.Table.from_pylist([{"key": str(area), "status": status, "area": area} for area in areas], schema=SCHEMA)


def test_convention_where_things_lie() -> None:
    assert str(PLACE) == "lung_masks@phantom/0"
    assert PLACE.artifact("ab12") == "stages/lung_masks/phantom/0/artifacts/ab/ab12.safetensors"
    assert PLACE.manifest("d") == "stages/lung_masks/phantom/0/manifests/d.parquet"


def test_convention_fingerprint() -> None:
    # sha256 of {"a":[1,2],"b":"x"}, the canonical form, its first 32 hex digits (coreutils sha256sum)
    assert fingerprint({"b": "x", "a": [1, 2]}) == "d0f56dda38d34376527524ddd98f7ec1"
    assert fingerprint({"a": [1, 2], "b": "x"}) == fingerprint({"b": "x", "a": [1, 2]})
    assert fingerprint({"a": [2, 1], "b": "x"}) != fingerprint({"a": [1, 2], "b": "x"})


def test_convention_digest_is_plain_sha256() -> None:
    # FIPS 180-2, appendix B.1
    assert digest_of(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_equal_tables_give_equal_bytes() -> None:
    assert table_bytes(table(1, 2)) == table_bytes(table(1, 2))
    assert table_bytes(table(1, 2)) != table_bytes(table(2, 1))


def test_chunks_of_a_table_do_not_show_in_its_bytes() -> None:
    joined = pa.concat_tables([table(1), table(2)])
    assert table_bytes(joined.combine_chunks()) == table_bytes(table(1, 2))


def test_a_published_manifest_is_the_current_one(store: ObjectStore) -> None:
    assert read_manifest(store, PLACE) is None
    assert read_pointer(store, PLACE) is None
    digest = publish(store, PLACE, table(1), {"version": "1"}, pointer_version(store, PLACE))
    assert read_pointer(store, PLACE) == {"digest": digest, "rows": 1, "version": "1"}
    second = publish(store, PLACE, table(1, 2), {"version": "1"}, pointer_version(store, PLACE))
    _, found = require_current(store, PLACE)
    assert found.equals(table(1, 2))
    assert store.read(PLACE.manifest(digest)) == table_bytes(table(1))
    assert digest_of(store.read(PLACE.manifest(second))) == second


def test_publishing_clears_the_record_of_a_failure(store: ObjectStore) -> None:
    store.write(f"{PLACE.folder}/FAILED.json", b"{}")
    publish(store, PLACE, table(1), {}, pointer_version(store, PLACE))
    assert store.read_or_none(f"{PLACE.folder}/FAILED.json") is None


def test_the_pointer_is_written_after_its_manifest(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write = ObjectStore.write

    def crash_at_the_manifest(self: ObjectStore, path: str, data: bytes) -> None:
        if path.endswith(".parquet"):
            raise KeyboardInterrupt
        write(self, path, data)

    publish(local_store, PLACE, table(1), {})
    monkeypatch.setattr(ObjectStore, "write", crash_at_the_manifest)
    with pytest.raises(KeyboardInterrupt):
        publish(local_store, PLACE, table(2), {})
    assert require_current(local_store, PLACE)[1].equals(table(1))


def test_two_first_publications_on_s3_do_not_overwrite_each_other(
    s3_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = ObjectStore.write

    def other_run_publishes_first(self: ObjectStore, path: str, data: bytes) -> None:
        write(self, path, data)
        if path.endswith(".parquet"):
            monkeypatch.undo()
            publish(self, PLACE, table(9), {})

    monkeypatch.setattr(ObjectStore, "write", other_run_publishes_first)
    with pytest.raises(StoreConflict):
        publish(s3_store, PLACE, table(1), {}, pointer_version(s3_store, PLACE))
    assert require_current(s3_store, PLACE)[1].equals(table(9))


def test_a_stage_that_never_ran_is_named_with_what_to_do(local_store: ObjectStore) -> None:
    with pytest.raises(FileNotFoundError, match="materialise lung_masks for phantom/0 first"):
        require_current(local_store, PLACE)


def stored(store: ObjectStore, array: np.ndarray) -> dict[str, Any]:
    data = encode({"lungs": array}, {})
    store.write(PLACE.artifact("ab"), data)
    return {"artifact": PLACE.artifact("ab"), "artifact_digest": digest_of(data)}


def test_an_artefact_is_read_back(store: ObjectStore) -> None:
    row = stored(store, np.arange(6).reshape(2, 3))
    np.testing.assert_array_equal(read_artifact(store, row)["lungs"], [[0, 1, 2], [3, 4, 5]])


@pytest.mark.parametrize("position", [0, 8, 60, -1])
def test_one_altered_byte_is_noticed(local_store: ObjectStore, position: int) -> None:
    row = stored(local_store, np.arange(6))
    data = bytearray(local_store.read(row["artifact"]))
    data[position] ^= 1
    local_store.write(row["artifact"], bytes(data))
    with pytest.raises(CorruptArtifact, match=r"altered.*delete it and run its stage again"):
        read_artifact(local_store, row)


def test_a_missing_artefact_is_named_with_what_to_do(store: ObjectStore) -> None:
    row = stored(store, np.arange(6))
    store.delete(row["artifact"])
    with pytest.raises(CorruptArtifact, match="is missing; run its stage again"):
        read_artifact(store, row)


def test_the_pointer_is_plain_json_for_people(local_store: ObjectStore) -> None:
    publish(local_store, PLACE, table(1), {"settings": {"size": 64}})
    text = local_store.read(f"{PLACE.folder}/CURRENT.json").decode()
    assert json.loads(text)["settings"] == {"size": 64}
    assert "\n" in text


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_reading_a_table_leaves_no_work_to_arrows_threads() -> None:
    """In a fresh interpreter: a pool that was never used has started no thread that could outlive the interpreter."""
    program = (
        "import os, pyarrow as pa\n"
        "from resources.manifests import table_bytes, table_from\n"
        "data = table_bytes(pa.table({name: list(range(50_000)) for name in 'abcdefgh'}))\n"
        "before = len(os.listdir('/proc/self/task'))\n"
        "assert table_from(data).num_rows == 50_000\n"
        "print(len(os.listdir('/proc/self/task')) - before)\n"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout.strip() == "0"


def altered(store: ObjectStore) -> str:
    """Put another sound table where the current manifest lies; its path."""
    pointer = read_pointer(store, PLACE)
    assert pointer is not None
    path = PLACE.manifest(pointer["digest"])
    store.write(path, table_bytes(table(9)))
    return path


@pytest.mark.parametrize("columns", [None, ["area"]])
def test_an_altered_manifest_is_never_read_and_named_with_what_to_do(
    store: ObjectStore, columns: list[str] | None
) -> None:
    publish(store, PLACE, table(1), {})
    path = altered(store)
    message = f"{path} was altered after .* delete {PLACE.folder}/CURRENT.json and run lung_masks for phantom/0 again"
    for read in (read_manifest, require_current):
        with pytest.raises(CorruptArtifact, match=message):
            read(store, PLACE, columns)


def test_a_stage_takes_an_altered_or_lost_manifest_of_its_own_for_none(local_store: ObjectStore) -> None:
    assert read_previous(local_store, PLACE) is None
    publish(local_store, PLACE, table(1), {})
    assert table(1).select(["area"]).equals(read_previous(local_store, PLACE, ["area"]))
    path = altered(local_store)
    assert read_previous(local_store, PLACE) is None
    local_store.delete(path)
    assert read_previous(local_store, PLACE) is None
