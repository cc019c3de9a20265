"""Which normals the maps are of, and what becomes of those that cannot be mapped."""

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from assets.normal_maps.asset import held_out_normals
from assets.normal_maps.stored import LEFT_OUT, chosen_of, members_of
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES
from resources.manifests import read_artifact
from tests.pairing.made_up import MadeUp, person
from tests.scoring.made_up_arms import Scored

PATIENTS = 6


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scored:
    people = [person(number) | {"split": "validation", "domain": "normal"} for number in range(2 * PATIENTS)]
    found = Scored(MadeUp(tmp_path / "store", people).use(monkeypatch))
    found.publish()
    return found


def without_window(scored: Scored, patients: int) -> None:
    """Make radiographs of some patients unfit to be brought into the frame `none`; IT-DPR's were windowed before."""
    spoilt = sorted({row["patient"] for row in scored.cohort.people})[:patients]
    for number, row in enumerate(scored.cohort.people):
        if row["patient"] in spoilt:
            scored.cohort.masks[number] = {"window_high": math.nan}
    scored.publish()


def test_a_normal_that_cannot_be_mapped_is_left_out_and_told_of(scored: Scored) -> None:
    without_window(scored, 1)
    spoilt, whole = scored.normals(fewest=3)
    assert (spoilt["arm"], spoilt["status"], whole["status"], whole["reason"]) == ("none/template", "ok", "ok", "")
    assert spoilt["reason"].startswith(f"1 of {PATIENTS} normals could not be mapped: ")
    arrays = read_artifact(scored.cohort.store, spoilt)
    assert (len(members_of(arrays)), len(chosen_of(arrays))) == (PATIENTS - 1, PATIENTS)
    assert arrays["count"].max() == PATIENTS - 1
    assert np.isfinite(arrays["absolute_first"]).all()
    assert LEFT_OUT not in read_artifact(scored.cohort.store, whole)
    assert scored.normals(fewest=3) == [spoilt, whole]
    assert scored.computed("normal_maps") == 0


@pytest.mark.parametrize(("patients", "status"), [(PATIENTS - 2, "rejected"), (PATIENTS, "failed")])
def test_with_too_few_normals_left_an_arm_has_no_maps(scored: Scored, patients: int, status: str) -> None:
    without_window(scored, patients)
    spoilt, whole = scored.normals(fewest=3)
    assert (spoilt["status"], spoilt["artifact"], whole["status"]) == (status, "", "ok")
    assert f"{patients} of {PATIENTS} normals could not be mapped" in spoilt["reason"]


def test_patients_of_one_radiograph_come_first() -> None:
    patients = ["twice", "once", "twice", "sick too", "sick too", "once more", "trained too", "trained too"]
    domains = dict.fromkeys(range(len(patients)), "normal") | {4: "abnormal"}
    rows = [
        {
            "radiograph_id": f"{number}",
            "patient": patient,
            "domain": domains[number],
            "split": "train" if number == 7 else "validation",
        }
        for number, patient in enumerate(patients)
    ]
    tables = [
        pa.table({name: [row.get(name, "") for row in rows] for name in FRAME_COLUMNS[stage]}) for stage in FRAME_STAGES
    ]
    found = [row.radiograph["patient"] for row in held_out_normals(tables)]
    assert found == ["once", "once more", "trained too", "twice", "sick too"]
