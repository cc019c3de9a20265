"""The stage itself on stored phantoms: what is measured, what is kept, what a cohort may lack."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.shortcuts import asset_described
from assets.shortcuts.asset import shortcut_audit
from assets.shortcuts.asset_described import radiographs_of_patients
from assets.shortcuts.plain import F32, Pixels, mean_lung_intensity
from assets.tables.scores import SHORTCUTS
from resources.manifests import Place, read_manifest
from tests.leaks.stored_cohort import StoredCohort, person

STAGE = "shortcut_audit"
SUPERVISED = [
    *("border", "outside_lungs", "mask_outline", "mask_outline_it_pr", "histogram"),
    *("aspect", "mask_source", "view", "sex", "age", "view_sex_age"),
]
PLAIN = [
    *("lung_area_ratio", "mean_lung_intensity"),
    *("jacobian_deviation_it_pr", "jacobian_deviation_it_dpr", "mask_quality", "radiographs_of_patient"),
]


def audited(
    folder: Path, monkeypatch: pytest.MonkeyPatch, people: list[dict[str, Any]], **config: object
) -> dict[str, dict[str, Any]]:
    cohort = StoredCohort(folder / "store", people).use(monkeypatch)
    assert cohort.materialize(shortcut_audit, **config).success
    return {row["name"]: row for row in cohort.rows(STAGE)}


def test_every_shortcut_has_its_row_and_nothing_new_is_measured_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = StoredCohort(tmp_path / "store", [person(index) for index in range(36)]).use(monkeypatch)
    first = cohort.materialize(shortcut_audit)
    rows = cohort.rows(STAGE)
    assert [row["name"] for row in rows] == [*SUPERVISED, *PLAIN]
    assert [row["kind"] for row in rows] == ["supervised"] * len(SUPERVISED) + ["plain"] * len(PLAIN)
    table = read_manifest(cohort.store, Place(STAGE, "phantom"))
    assert table is not None
    assert table.schema.equals(SHORTCUTS)
    for row in rows:
        assert row["status"] == "ok"
        assert row["fitted_on"] == (None if row["kind"] == "plain" else 16 if "sex" in row["name"] else 24)
        assert (row["positives"], row["negatives"]) == (4, 4) if "sex" in row["name"] else (6, 6)
    (check,) = first.get_asset_check_evaluations()
    assert check.check_name == "shortcuts_weak"
    assert check.passed is (max(row["strength"] for row in rows) <= 0.7)
    before = cohort.pointer(STAGE)
    assert before["pictures"] == ["shortcuts"]
    assert (before["computed"], before["reused"]) == (17, 0)
    cohort.materialize(shortcut_audit)
    after = cohort.pointer(STAGE)
    assert (after["computed"], after["reused"], after["digest"]) == (0, 17, before["digest"])


def test_what_a_table_tells_is_found_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = [person(i, view="AP" if i % 2 else "PA", width=80 if i % 2 else 64) for i in range(36)]
    found = audited(tmp_path, monkeypatch, told)
    assert (found["view"]["auc"], found["aspect"]["auc"]) == (1, 1)
    assert found["view_sex_age"]["auc"] > 0.9
    blind = audited(tmp_path / "other", monkeypatch, [person(i, view="PA", sex=None, age=None) for i in range(36)])
    assert (blind["view"]["auc"], blind["view"]["reason"]) == (0.5, "all scores are equal")
    assert blind["sex"]["reason"] == "sex is not recorded in this cohort"
    assert (blind["view_sex_age"]["auc"], blind["view_sex_age"]["reason"]) == (0.5, "all scores are equal")
    ageless = audited(tmp_path / "ageless", monkeypatch, [{**each, "age": None} for each in told])
    assert ageless["age"]["auc"] is None
    assert ageless["view_sex_age"]["auc"] > 0.9
    nothing = [person(i, view=None, sex=None, age=None) for i in range(36)]
    found = audited(tmp_path / "nothing", monkeypatch, nothing)
    assert found["view_sex_age"]["reason"] == "view_sex_age is not recorded in this cohort"


def test_a_radiograph_that_cannot_be_looked_at_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def once_wrong(image: F32, lungs: Pixels) -> float:
        seen.append(1)
        if len(seen) == 1:
            raise ValueError("no pixel")
        return mean_lung_intensity(image, lungs)

    monkeypatch.setattr(asset_described, "mean_lung_intensity", once_wrong)
    people = [person(i, "test") for i in range(24)]
    found = audited(tmp_path, monkeypatch, people)
    assert found["lung_area_ratio"]["positives"] + found["lung_area_ratio"]["negatives"] == 23


def test_a_cohort_that_is_all_test_is_scored_by_regressions_on_its_other_patients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [person(i, "test", view="AP" if i % 2 else "PA") for i in range(20)]
    found = audited(tmp_path, monkeypatch, people)
    assert (found["view"]["auc"], found["view"]["crossfitted"], found["view"]["fitted_on"]) == (1, True, 20)
    assert found["lung_area_ratio"]["status"] == "ok"


@pytest.mark.parametrize("parity", [0, 1])
def test_a_cohort_of_one_class_passes_and_measures_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parity: int
) -> None:
    people = [person(2 * i + parity, "test" if i % 2 else "train") for i in range(16)]
    cohort = StoredCohort(tmp_path / "store", people).use(monkeypatch)
    result = cohort.materialize(shortcut_audit)
    assert all(row["status"] == "rejected" and row["reason"] for row in cohort.rows(STAGE))
    assert result.get_asset_check_evaluations()[0].passed


def test_how_often_a_patient_was_radiographed_is_counted_in_the_whole_cohort() -> None:
    domains = ["normal", "abnormal", "abnormal", "other", "normal"]
    radiographs = pa.table({"radiograph_id": list("abcde"), "patient": ["p", "q", "q", "q", "r"], "domain": domains})
    masks = pa.table({"radiograph_id": list("abcd")})
    found = radiographs_of_patients([radiographs, masks], np.array(["q", "p", "q"]))
    # one of q's is of another kind; r's has no mask
    assert found.tolist() == [2, 1, 2]
    assert radiographs_of_patients([radiographs, masks], np.array([], dtype=np.str_)).tolist() == []


def test_radiographs_become_patients_as_the_evaluation_s_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cohort = StoredCohort(tmp_path / "store", [person(i) for i in range(36)]).use(monkeypatch)
    cohort.materialize(shortcut_audit)
    assert cohort.pointer(STAGE)["settings"]["patient_score"] == "mean"


def test_other_radiographs_and_those_of_validation_do_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [person(i) for i in range(24)]
    more = [person(i, domain="other") for i in range(24, 30)] + [person(i, "validation") for i in range(30, 36)]
    first, second = (
        audited(tmp_path / name, monkeypatch, some) for name, some in (("few", people), ("more", people + more))
    )
    assert first == second
    nobody = audited(tmp_path / "nobody", monkeypatch, more)
    assert all((row["auc"], row["positives"], row["negatives"]) == (None, 0, 0) for row in nobody.values())


def test_a_large_cohort_is_looked_at_in_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [person(i, "test" if i < 28 else "train") for i in range(56)]
    found = audited(tmp_path, monkeypatch, people, radiographs=10)
    assert (found["border"]["positives"], found["border"]["negatives"], found["border"]["fitted_on"]) == (10, 10, 20)


@pytest.mark.parametrize(("limit", "passed"), [(1.0, True), (0.5, False)])
def test_the_limit_is_that_of_the_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: float, *, passed: bool
) -> None:
    cohort = StoredCohort(tmp_path / "store", [person(i) for i in range(36)]).use(monkeypatch)
    (check,) = cohort.materialize(shortcut_audit, limit=limit).get_asset_check_evaluations()
    assert check.passed is passed
    assert {"limit", "strongest", "kind", "auc"} <= set(check.metadata)
