from itertools import groupby
from typing import Any

import pytest

from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)
REPORT, PEERS = "registration_report", "registration_peers"
MEASURES = ("dice", "hd95_px", "outline_px", "folded_share", "log_jacobian_sd", "ms")


def test_every_arm_registers_the_same_test_radiographs(reference: Installation, tiny: dict[str, Any]) -> None:
    asked = tiny["settings"][REPORT]
    rows = reference.rows(REPORT)
    assert {row["status"] for row in rows} == {"ok"}
    by_radiograph = [list(group) for _, group in groupby(rows, key=lambda row: row["radiograph_id"])]
    assert [[row["arm"] for row in group] for group in by_radiograph] == [asked["arms"]] * asked["radiographs"]
    prealigned = [row for row in reference.rows("prealigned_radiographs") if row["status"] == "ok"]
    test = sorted(row["radiograph_id"] for row in prealigned if row["split"] == "test")
    assert [group[0]["radiograph_id"] for group in by_radiograph] == test[: asked["radiographs"]]


def test_phantoms_have_landmarks_and_lesions(reference: Installation) -> None:
    rows = reference.rows(REPORT)
    for name in (*MEASURES, "landmark_px_mean", "landmark_px_p90"):
        assert all(row[name] is not None for row in rows), name
    for row in rows:
        assert (row["lesion_area_ratio"] is not None) == (row["domain"] == "abnormal")
    error = {arm: [row["landmark_px_mean"] for row in rows if row["arm"] == arm] for arm in ("none", "it_pr")}
    assert sum(error["it_pr"]) < 0.5 * sum(error["none"])


def test_only_arms_with_an_inverse_of_their_own_are_measured_by_it(reference: Installation) -> None:
    for row in reference.rows(REPORT):
        known = [row[name] is not None for name in ("inverse_mean_px", "inverse_max_px")]
        assert known == [row["arm"] != "affine"] * 2


def test_sharpness_is_over_the_lungs_box(reference: Installation) -> None:
    rows = reference.rows(REPORT)
    # a mean is of two normals or more
    enough = len({row["patient"] for row in rows if row["domain"] == "normal"}) >= 2
    for row in rows:
        known = [row[name] is not None for name in ("sharpness", "sharpness_low", "sharpness_high")]
        assert known == [enough and row["arm"] not in ("none", "lung_box")] * 3


@pytest.mark.slow
def test_another_training_of_the_peers_measures_their_arms_alone(finished: Installation, tiny: dict[str, Any]) -> None:
    tiny["settings"][PEERS]["steps"] += 1
    finished.declare(tiny)
    before = {row["key"]: row for row in finished.rows(REPORT)}
    finished.run("tiny", "--until", REPORT)
    assert finished.computed(REPORT)[PEERS] == 1
    assert finished.rows(PEERS)[0]["steps"] == tiny["settings"][PEERS]["steps"]
    anew = {row["arm"] for row in finished.rows(REPORT) if row["key"] not in before}
    assert anew == {"voxelmorph", "synthmorph"}
    assert finished.pointer(REPORT)["computed"] == 2 * tiny["settings"][REPORT]["radiographs"]
