import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from assets.tables.alignment import LUNG_MASKS, RADIOGRAPHS, REGISTRATION_REPORT
from assets.tables.translation import PSEUDO_PAIRS
from pipelines.cli import app
from pipelines.verification import SHOWN, Verification
from pipelines.verify import verify
from resources.arrays import encode
from resources.home import STORE_VARIABLE
from resources.manifests import Place, digest_of, publish, read_manifest, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT
from resources.tombstones import Tombstone, write_tombstone

Row = dict[str, Any]
SHARDS = ("one/0", "one/1", "two/0")
EACH = 6
SCHEMAS = {
    "radiographs": RADIOGRAPHS,
    "lung_masks": LUNG_MASKS,
    "registration_report": REGISTRATION_REPORT,
    "pseudo_pairs": PSEUDO_PAIRS,
}
CHECKS = (
    *("manifests_unaltered", "artefacts_unaltered", "rows_unique", "patients_in_one_split", "pairs_within_split"),
    *("pairs_of_two_patients", "labels_agree", "same_pixels_once", "no_identifiers", "parents_present"),
    *("parents_current", "partitions_declared", "withdrawn_absent"),
)


def radiograph(store: ObjectStore, shard: str, index: int) -> Row:
    """Even ones are normal; the last two of a shard are tests."""
    number = SHARDS.index(shard) * 100 + index
    label = "abnormal" if index % 2 else "normal"
    row = {
        "row": index,
        "radiograph_id": f"{number:032x}",
        "patient": f"{number // 2 + 7:024x}",
        "domain": label,
        "label": label,
        "split": "train" if index < EACH - 2 else "test",
        "file_digest": f"{number + 5000:064x}",
    }
    return {**row, **stored(store, Place("radiographs", shard), f"{number + 1000:032x}")}


def stored(store: ObjectStore, place: Place, key: str) -> Row:
    data = encode({"image": np.full((8, 8), int(key[-2:], 16), np.uint16)}, {})
    store.write(place.artifact(key), data)
    return {
        "key": key,
        "status": "ok",
        "reason": "",
        "artifact": place.artifact(key),
        "artifact_digest": digest_of(data),
    }


def carried(row: Row) -> Row:
    return {name: row[name] for name in ("radiograph_id", "patient", "domain", "label", "split")}


def put(store: ObjectStore, place: Place, rows: list[Row], parents: list[Place]) -> None:
    known = {str(parent): pointer["digest"] for parent in parents if (pointer := read_pointer(store, parent))}
    schema = SCHEMAS[place.stage]
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    publish(store, place, table, {"parents": known})


def pair(abnormal: Row, normal: Row) -> Row:
    sides = {
        f"{side}_{name}": row[column]
        for side, row in (("abnormal", abnormal), ("normal", normal))
        for name, column in (
            ("id", "radiograph_id"),
            ("label", "label"),
            ("patient", "patient"),
            ("file_digest", "file_digest"),
        )
    }
    key = abnormal["key"][:16] + normal["key"][16:]
    return {**sides, "pair_id": key, "split": abnormal["split"], "key": key, "status": "ok", "artifact": ""}


def fill(store: ObjectStore) -> None:
    """Two cohorts, one of two shards: radiographs, masks, a report of two arms, pairs."""
    for cohort in ("one", "two"):
        shards = [shard for shard in SHARDS if shard.startswith(cohort)]
        sources: list[Row] = []
        for shard in shards:
            rows = [radiograph(store, shard, index) for index in range(EACH)]
            put(store, Place("radiographs", shard), rows, [])
            masks = [
                {**carried(row), **stored(store, Place("lung_masks", shard), row["key"][::-1])} for row in rows[:-1]
            ]
            # Rows that were refused alike have one key; they go nowhere.
            refused = [{**carried(rows[-1]), "key": "f" * 32, "status": "rejected", "artifact": ""}] * 2
            put(store, Place("lung_masks", shard), [*masks, *refused], [Place("radiographs", shard)])
            sources += rows
        parents = [Place("radiographs", shard) for shard in shards]
        arms = [
            {**carried(sources[0]), **stored(store, Place("registration_report", cohort), f"{n:032x}"), "arm": arm}
            for n, arm in enumerate(("it_pr", "it_dpr"))
        ]
        put(store, Place("registration_report", cohort), arms, parents)
        pairs = [pair(sources[1], sources[2]), pair(sources[3], sources[0])]
        put(store, Place("pseudo_pairs", cohort), pairs, parents)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = ObjectStore(str(tmp_path_factory.mktemp("filled") / "store"))
    fill(store)
    return store


@pytest.fixture
def sound(filled: ObjectStore, local_store: ObjectStore) -> ObjectStore:
    """A copy of the store, to be damaged."""
    shutil.copytree(filled.root, local_store.root)
    return local_store


def rows_of(store: ObjectStore, place: Place) -> list[Row]:
    table = read_manifest(store, place)
    assert table is not None
    rows: list[Row] = table.to_pylist()
    return rows


def change(store: ObjectStore, place: Place, how: Callable[[list[Row]], None]) -> None:
    """Rewrite a manifest as a stage that errs would have written it; what was made from it says so, too."""
    rows, before = rows_of(store, place), read_pointer(store, place)
    assert before is not None
    how(rows)
    table = pa.Table.from_pylist(rows, schema=SCHEMAS[place.stage])
    digest = publish(store, place, table, {"parents": before["parents"]})
    for path in store.find("stages"):
        if path.endswith("CURRENT.json"):
            text = store.read(path).decode()
            store.write(path, text.replace(before["digest"], digest).encode())


def failed(report: Verification) -> dict[str, tuple[str, ...]]:
    return {check.name: check.offenders for check in report.checks if check.offenders}


RADIOGRAPHS_0 = Place("radiographs", "one/0")
MASKS_0 = Place("lung_masks", "one/0")
PAIRS = Place("pseudo_pairs", "one")


def test_a_sound_store_passes_every_check_and_each_looks_at_something(sound: ObjectStore) -> None:
    report = verify(sound)
    assert failed(report) == {}
    assert report.passed
    assert tuple(check.name for check in report.checks) == CHECKS
    looked_at = {check.name: check.looked_at for check in report.checks}
    assert looked_at.pop("withdrawn_absent") == 0
    assert looked_at["artefacts_unaltered"] == 3 * (EACH + EACH - 1) + 4
    assert looked_at["patients_in_one_split"] == 3 * EACH // 2
    assert looked_at["labels_agree"] == 3 * (EACH - 1) + 4 + 4
    assert (looked_at["pairs_within_split"], looked_at["pairs_of_two_patients"]) == (4, 4)
    assert (looked_at["parents_present"], looked_at["parents_current"]) == (9, 9)
    assert min(looked_at.values()) > 0
    assert report.mib > 0


def test_a_patient_in_two_splits_is_caught_by_its_check_alone(sound: ObjectStore) -> None:
    patient = rows_of(sound, RADIOGRAPHS_0)[0]["patient"]

    def be_another(rows: list[Row]) -> None:
        rows[-2]["patient"] = patient

    change(sound, RADIOGRAPHS_0, be_another)
    change(sound, MASKS_0, be_another_in_masks(patient))
    assert failed(verify(sound)) == {"patients_in_one_split": (f"one: {patient}",)}


def be_another_in_masks(patient: str) -> Callable[[list[Row]], None]:
    def be_another(rows: list[Row]) -> None:
        rows[EACH - 2]["patient"] = patient

    return be_another


def test_a_patient_of_two_shards_in_two_splits_is_caught(sound: ObjectStore) -> None:
    patient = rows_of(sound, Place("radiographs", "one/1"))[0]["patient"]

    def be_another(rows: list[Row]) -> None:
        rows[-2]["patient"] = patient

    change(sound, RADIOGRAPHS_0, be_another)
    change(sound, MASKS_0, be_another_in_masks(patient))
    assert failed(verify(sound)) == {"patients_in_one_split": (f"one: {patient}",)}


def test_one_id_in_two_cohorts_may_be_two_people(sound: ObjectStore) -> None:
    patient = rows_of(sound, Place("radiographs", "two/0"))[0]["patient"]

    def be_another(rows: list[Row]) -> None:
        rows[-2]["patient"] = patient

    change(sound, RADIOGRAPHS_0, be_another)
    change(sound, MASKS_0, be_another_in_masks(patient))
    assert failed(verify(sound)) == {}


def test_a_pair_across_splits_is_caught_by_its_check_alone(sound: ObjectStore) -> None:
    test_row = rows_of(sound, RADIOGRAPHS_0)[-2]

    def reach_across(rows: list[Row]) -> None:
        rows[0] |= {
            "normal_id": test_row["radiograph_id"],
            "normal_patient": test_row["patient"],
            "normal_file_digest": test_row["file_digest"],
        }

    change(sound, PAIRS, reach_across)
    pair_id = rows_of(sound, PAIRS)[0]["pair_id"]
    assert failed(verify(sound)) == {"pairs_within_split": (pair_id,)}


def test_a_pair_of_one_patient_is_caught_by_its_check_alone(sound: ObjectStore) -> None:
    first = rows_of(sound, RADIOGRAPHS_0)[0]

    def pair_with_oneself(rows: list[Row]) -> None:
        rows[0] |= {"normal_id": first["radiograph_id"], "normal_patient": first["patient"]}

    change(sound, PAIRS, pair_with_oneself)
    assert failed(verify(sound)) == {"pairs_of_two_patients": (rows_of(sound, PAIRS)[0]["pair_id"],)}


def test_a_label_flipped_upstream_is_caught_by_its_check_alone(sound: ObjectStore) -> None:
    def flip(rows: list[Row]) -> None:
        rows[0] |= {"label": "abnormal", "domain": "abnormal"}

    flipped = rows_of(sound, RADIOGRAPHS_0)[0]["radiograph_id"]
    change(sound, RADIOGRAPHS_0, flip)
    pair_id = rows_of(sound, PAIRS)[1]["pair_id"]
    found = failed(verify(sound))
    assert set(found) == {"labels_agree"}
    assert set(found["labels_agree"]) == {
        f"lung_masks@one/0: {flipped}",
        f"pseudo_pairs@one: {pair_id}",
        f"registration_report@one: {flipped}",
    }


@pytest.mark.parametrize(("column", "value"), [("split", "validation"), ("patient", "e" * 24), ("label", None)])
def test_what_a_later_stage_carries_otherwise_is_caught(sound: ObjectStore, column: str, value: str | None) -> None:
    def differ(rows: list[Row]) -> None:
        rows[1][column] = value

    row = rows_of(sound, MASKS_0)[1]["radiograph_id"]
    change(sound, MASKS_0, differ)
    assert failed(verify(sound)) == {"labels_agree": (f"lung_masks@one/0: {row}",)}


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


def test_a_doubled_row_is_caught(sound: ObjectStore) -> None:
    change(sound, MASKS_0, lambda rows: rows.append(rows[0]))
    first = rows_of(sound, MASKS_0)[0]
    assert failed(verify(sound)) == {
        "rows_unique": tuple(sorted(f"lung_masks@one/0: {first[name]}" for name in ("key", "radiograph_id")))
    }


def test_an_arm_measured_twice_is_caught(sound: ObjectStore) -> None:
    place = Place("registration_report", "one")
    change(sound, place, lambda rows: rows[1].update(arm=rows[0]["arm"]))
    row = rows_of(sound, place)[0]["radiograph_id"]
    assert failed(verify(sound)) == {"rows_unique": (f"registration_report@one: {row}",)}


def move(store: ObjectStore, place: Place, row: int, radiograph_id: str) -> None:
    """Let a radiograph that nothing was made from have the pixels of another one."""
    change(store, place, lambda rows: rows[row].update(radiograph_id=radiograph_id))


def test_the_same_pixels_in_two_shards_are_caught(sound: ObjectStore) -> None:
    other = rows_of(sound, Place("radiographs", "one/1"))[-1]["radiograph_id"]
    move(sound, RADIOGRAPHS_0, EACH - 1, other)
    assert failed(verify(sound)) == {"same_pixels_once": (other,)}


def test_the_same_pixels_in_two_cohorts_are_caught_only_in_two_splits(sound: ObjectStore) -> None:
    other = rows_of(sound, Place("radiographs", "two/0"))[-1]["radiograph_id"]
    move(sound, RADIOGRAPHS_0, EACH - 1, other)
    assert failed(verify(sound)) == {}
    change(sound, Place("radiographs", "two/0"), lambda rows: rows[-1].update(split="validation", patient="e" * 24))
    assert failed(verify(sound)) == {"same_pixels_once": (other,)}


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


@pytest.mark.parametrize("value", ["MRN 0815", "Jane_Doe", "ABCDEF0123456789ABCDEF01"])
def test_a_sources_own_id_is_caught_and_not_shown(sound: ObjectStore, value: str) -> None:
    def leak(rows: list[Row]) -> None:
        rows[0]["abnormal_patient"] = value

    change(sound, PAIRS, leak)
    found = failed(verify(sound))
    assert found == {"no_identifiers": ("pseudo_pairs@one: abnormal_patient of 1 rows",)}
    assert value not in json.dumps(verify(sound).as_json())


def test_a_file_name_for_an_id_is_caught(sound: ObjectStore) -> None:
    change(sound, RADIOGRAPHS_0, lambda rows: rows[0].update(file_digest="doe.png"))
    assert failed(verify(sound)) == {"no_identifiers": ("radiographs@one/0: file_digest of 1 rows",)}


def tombstone(**what: Any) -> Tombstone:  # noqa: ANN401 (fields of Tombstone)
    return Tombstone(patient=what.pop("patient", "e" * 24), withdrawn_at="2026-01-01T00:00:00+00:00", **what)


def test_a_withdrawn_patient_who_is_still_there_is_caught(sound: ObjectStore) -> None:
    row = rows_of(sound, RADIOGRAPHS_0)[3]
    write_tombstone(sound, tombstone(patient=row["patient"]))
    found = failed(verify(sound))
    assert set(found) == {"withdrawn_absent"}
    assert set(found["withdrawn_absent"]) == {
        "lung_masks@one/0: patient of 2 rows",
        "pseudo_pairs@one: abnormal_patient of 1 rows",
        "pseudo_pairs@one: normal_patient of 1 rows",
        "radiographs@one/0: patient of 2 rows",
    }


def test_who_withdrew_from_another_cohort_only_is_somebody_else_here(sound: ObjectStore) -> None:
    place = Place("radiographs", "two/0")
    row = rows_of(sound, RADIOGRAPHS_0)[3]
    write_tombstone(sound, tombstone(patient=row["patient"], only_in=("two",)))
    assert failed(verify(sound)) == {}
    change(sound, place, lambda rows: rows[-1].update(patient=row["patient"]))
    assert failed(verify(sound))["withdrawn_absent"] == ("radiographs@two/0: patient of 1 rows",)


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


def test_withdrawn_pixels_and_files_that_are_there_are_caught(sound: ObjectStore) -> None:
    row = rows_of(sound, RADIOGRAPHS_0)[4]
    write_tombstone(sound, tombstone(radiographs=(row["radiograph_id"],), files=(row["file_digest"],)))
    assert failed(verify(sound)) == {
        "withdrawn_absent": (
            "lung_masks@one/0: radiograph_id of 1 rows",
            "radiographs@one/0: radiograph_id of 1 rows",
            "radiographs@one/0: file_digest of 1 rows",
        )
    }


def test_a_tombstone_that_cannot_be_read_fails_the_check(sound: ObjectStore) -> None:
    sound.write("withdrawn/x.json", b"?")
    (found,) = failed(verify(sound))["withdrawn_absent"]
    assert "withdrawn/x.json" in found


def test_nothing_is_written(sound: ObjectStore) -> None:
    before = sound.stamps("")
    verify(sound)
    verify(sound, quick=True)
    assert sound.stamps("") == before


@pytest.fixture
def at_home(home: Path, local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv(STORE_VARIABLE, local_store.root)
    return local_store


def test_the_command_says_what_is_wrong_and_ends_with_one(sound: ObjectStore, at_home: ObjectStore) -> None:
    good = CliRunner().invoke(app, ["verify"])
    assert (good.exit_code, good.output.count("passed")) == (0, len(CHECKS))
    assert "MiB/s" in good.output
    paths = [row["artifact"] for row in rows_of(sound, RADIOGRAPHS_0)]
    for path in paths:
        sound.delete(path)
    bad = CliRunner().invoke(app, ["verify", "one", "--quick"])
    assert bad.exit_code == 1
    assert f"FAILED: {EACH}" in bad.output
    assert all(f"artefacts_unaltered: {path} is missing" in bad.output for path in paths)
    assert "run its stage again" in bad.output
    assert "were not read" in bad.output
    assert CliRunner().invoke(app, ["verify", "two"]).exit_code == 0


def test_the_command_speaks_json(sound: ObjectStore, at_home: ObjectStore) -> None:
    paths = sorted(
        path for path in sound.find("stages/radiographs") | sound.find("stages/lung_masks") if "artif" in path
    )
    for path in paths:
        sound.delete(path)
    done = CliRunner().invoke(app, ["verify", "--json"])
    report = json.loads(done.stdout)
    assert (done.exit_code, report["passed"], report["manifests"]) == (1, False, 10)
    results = {check["name"]: check["result"] for check in report["checks"]}
    assert {name for name, result in results.items() if result != "passed"} == {"artefacts_unaltered"}
    unaltered = next(check for check in report["checks"] if check["name"] == "artefacts_unaltered")
    assert unaltered["offenders"] == len(paths) > SHOWN
    assert unaltered["shown"] == [f"{path} is missing" for path in paths[:SHOWN]]


def test_a_store_on_s3_is_audited_alike(s3_store: ObjectStore) -> None:
    fill(s3_store)
    assert failed(verify(s3_store)) == {}
    path = rows_of(s3_store, MASKS_0)[2]["artifact"]
    s3_store.write(path, b"other")
    assert failed(verify(s3_store)) == {"artefacts_unaltered": (f"{path} was altered after it was written",)}


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "nobody"]])
def test_a_store_without_manifests_is_not_called_sound(at_home: ObjectStore, arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "has no manifests of" in done.output
