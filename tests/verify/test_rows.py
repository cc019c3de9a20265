"""What `pseudopair verify` finds in rows: splits, pairs, labels, pixels, names, patients who withdrew."""

import json
from collections.abc import Callable

import pytest

from pipelines.verify import verify
from resources.manifests import Place
from resources.object_store import ObjectStore
from resources.tombstones import write_tombstone
from tests.verify.audited import (
    CHECKS,
    EACH,
    MASKS_0,
    PAIRS,
    RADIOGRAPHS_0,
    Row,
    change,
    failed,
    move,
    rows_of,
    tombstone,
)


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
