"""What `pseudopair verify` finds in objects: artefacts, manifests, pointers, parents."""

import errno
import json

import pytest

from pipelines.verify import verify
from resources.manifests import Place, digest_of, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT
from tests.verify.audited import (
    EACH,
    MASKS_0,
    RADIOGRAPHS_0,
    failed,
    fill,
    move,
    put,
    rows_of,
)


def test_an_artefact_altered_by_one_byte_is_caught_by_its_check_alone(sound: ObjectStore) -> None:
    path = rows_of(sound, MASKS_0)[2]["artifact"]
    data = sound.read(path)
    sound.write(path, data[:-1] + bytes([data[-1] ^ 1]))
    report = verify(sound)
    assert failed(report) == {"artefacts_unaltered": (f"{path} was altered after it was written",)}
    assert not report.passed
    assert failed(verify(sound, "one")) == failed(report)
    assert failed(verify(sound, "two")) == {}
    assert failed(verify(sound, quick=True)) == {}


@pytest.mark.parametrize("quick", [False, True])
def test_a_missing_artefact_is_caught(sound: ObjectStore, quick: bool) -> None:
    path = rows_of(sound, MASKS_0)[2]["artifact"]
    sound.delete(path)
    assert failed(verify(sound, quick=quick)) == {"artefacts_unaltered": (f"{path} is missing",)}


def test_a_quick_look_reads_no_artefact(sound: ObjectStore) -> None:
    report = verify(sound, quick=True)
    assert report.mib == 0
    assert next(check.looked_at for check in report.checks if check.name == "artefacts_unaltered") > 0


def test_an_altered_manifest_is_caught_and_believed_in_nothing(sound: ObjectStore) -> None:
    pointer = read_pointer(sound, MASKS_0)
    assert pointer is not None
    path = MASKS_0.manifest(pointer["digest"])
    data = sound.read(path)
    sound.write(path, data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    assert failed(verify(sound)) == {
        "manifests_unaltered": ("lung_masks@one/0: its manifest was altered after it was written",)
    }


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (b"{", "its pointer cannot be read"),
        (b"[]", "its pointer cannot be read"),
        (b'{"rows": 3}', "its pointer cannot be read"),
        (b'{"digest": "0", "rows": 3, "parents": null}', "its pointer cannot be read"),
        (b'{"digest": "0", "rows": 3, "parents": ["x"]}', "its pointer cannot be read"),
        (b'{"digest": "0", "rows": 3}', "the manifest that its pointer names is missing"),
    ],
)
def test_a_pointer_that_leads_nowhere_is_caught(sound: ObjectStore, damage: bytes, problem: str) -> None:
    sound.write(f"{MASKS_0.folder}/CURRENT.json", damage)
    assert failed(verify(sound)) == {"manifests_unaltered": (f"lung_masks@one/0: {problem}",)}


def test_a_manifest_that_is_no_table_is_caught(sound: ObjectStore) -> None:
    data = b"no table"
    sound.write(MASKS_0.manifest(digest_of(data)), data)
    sound.write(f"{MASKS_0.folder}/CURRENT.json", json.dumps({"digest": digest_of(data), "rows": 1}).encode())
    assert failed(verify(sound)) == {"manifests_unaltered": ("lung_masks@one/0: its manifest is no Parquet file",)}


def test_a_pointer_with_another_count_than_its_manifest_is_caught(sound: ObjectStore) -> None:
    pointer = read_pointer(sound, MASKS_0)
    assert pointer is not None
    sound.write(f"{MASKS_0.folder}/CURRENT.json", json.dumps({**pointer, "rows": 1}).encode())
    (found,) = failed(verify(sound))["manifests_unaltered"]
    assert "rows" in found


def test_a_lost_parent_is_caught_and_a_newer_one_is_no_failure(sound: ObjectStore) -> None:
    put(sound, RADIOGRAPHS_0, rows_of(sound, RADIOGRAPHS_0)[::-1], [])
    report = verify(sound)
    assert failed(report) == {
        "parents_current": tuple(
            f"{place} was made from an older radiographs@one/0"
            for place in ("lung_masks@one/0", "pseudo_pairs@one", "registration_report@one")
        )
    }
    assert report.passed
    sound.delete(f"{RADIOGRAPHS_0.folder}/CURRENT.json")
    report = verify(sound)
    assert set(failed(report)) == {"parents_present"}
    assert "lung_masks@one/0 was made from radiographs@one/0" in failed(report)["parents_present"]
    assert not report.passed


def test_a_shard_that_its_cohort_no_longer_has_is_told_and_its_rows_are_not_judged(
    sound: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = rows_of(sound, Place("radiographs", "one/1"))[-1]["radiograph_id"]
    move(sound, RADIOGRAPHS_0, EACH - 1, other)
    monkeypatch.setitem(SHARDS_BY_COHORT, "one", ["one/0"])
    report = verify(sound)
    assert failed(report) == {"partitions_declared": ("lung_masks@one/1", "radiographs@one/1")}
    assert report.passed
    path = rows_of(sound, Place("lung_masks", "one/1"))[0]["artifact"]
    sound.delete(path)
    assert failed(verify(sound))["artefacts_unaltered"] == (f"{path} is missing",)


@pytest.mark.parametrize("ending", [".safetensors", ".parquet"])
def test_an_object_that_cannot_be_read_is_caught_and_the_rest_is_looked_at(
    sound: ObjectStore, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    rows = rows_of(sound, MASKS_0)
    bad, missing = (
        next(path for path in sorted(sound.find(MASKS_0.folder)) if path.endswith(ending)),
        rows[2]["artifact"],
    )
    sound.delete(missing)
    read = ObjectStore.read

    def block(self: ObjectStore, path: str) -> bytes:
        if path == bad:
            raise OSError(errno.EIO, "bad block")
        return read(self, path)

    monkeypatch.setattr(ObjectStore, "read", block)
    found = failed(verify(sound))
    if ending == ".parquet":
        assert found == {"manifests_unaltered": ("lung_masks@one/0: it cannot be read (Input/output error)",)}
    else:
        told = (f"{bad} cannot be read (Input/output error)", f"{missing} is missing")
        assert found == {"artefacts_unaltered": tuple(sorted(told))}


def test_nothing_is_written(sound: ObjectStore) -> None:
    before = sound.stamps("")
    verify(sound)
    verify(sound, quick=True)
    assert sound.stamps("") == before


def test_a_store_on_s3_is_audited_alike(s3_store: ObjectStore) -> None:
    fill(s3_store)
    assert failed(verify(s3_store)) == {}
    path = rows_of(s3_store, MASKS_0)[2]["artifact"]
    s3_store.write(path, b"other")
    assert failed(verify(s3_store)) == {"artefacts_unaltered": (f"{path} was altered after it was written",)}
