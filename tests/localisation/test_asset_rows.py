from pathlib import Path

import dagster as dg
import numpy as np
import pytest

from assets.localisation.asset_guesses import training_heat
from assets.localisation.asset_pictures import pictures
from assets.localisation.asset_rows import localised_tasks
from assets.localisation.settings import LocalisationSettings
from assets.tables.localisation import BY_SIGMA, LOCALISATION
from assets.tables.translation import TRANSLATOR
from resources.manifests import Place, publish, require_current
from tests.localisation.made_up import ARMS, COHORT, FEW, SIDE, SUBJECTS, MadeUp, Row

GUESSES = ("chance/centre", "chance/random_6")
WHOLE = [{"x": 0.0, "y": 0.0, "width": float(SIDE), "height": float(SIDE), "kind": ""}]


@pytest.fixture
def made(tmp_path: Path) -> MadeUp:
    return MadeUp(tmp_path)


def test_every_arm_and_guess_is_measured_on_lesions_and_normals(made: MadeUp) -> None:
    rows = made.measured()
    assert {arm for _, arm, _ in rows} == {*ARMS, *GUESSES}
    assert {index for index, _, _ in rows} == set(range(SUBJECTS))
    assert len(rows) == SUBJECTS * (len(ARMS) + 1 + 2)
    assert {row["status"] for row in rows.values()} == {"ok"}, {row["reason"] for row in rows.values()}
    assert [rows[index, "none/pca", 0]["truth"] for index in (0, 1)] == ["normal", "lesion"]
    assert all(set(row) <= set(LOCALISATION.names) for row in rows.values())


@pytest.mark.parametrize("arm", ARMS)
def test_a_map_of_the_lesion_points_at_it_in_every_frame(made: MadeUp, arm: str) -> None:
    rows = made.measured()
    for index in (1, 3, 5):
        row = rows[index, arm, 0]
        assert row["pointing"] == 1.0
        assert row["pixel_auc"] > 0.9
        assert max(row["iou_any"]) > 0.5
        assert row["energy"] > 3 * row["area_share"]
        assert row["threshold"] == 0.25
    assert rows[0, arm, 0]["detections"] == []
    assert rows[0, arm, 0]["dice"] == 1.0


@pytest.mark.parametrize("arm", [*ARMS, "chance/centre"])
def test_the_surest_region_is_known_at_every_width(made: MadeUp, arm: str) -> None:
    made.radiograph(1).update({"width": 2 * SIDE, "height": 2 * SIDE, "scale_x": 0.5, "scale_y": 0.5})
    made.radiograph(1).update({"offset_x": -0.25, "offset_y": -0.25})
    rows, wide = (made.measured(FEW.model_copy(update={"detection_sigma": sigma})) for sigma in (2.0, 16.0))
    row = rows[1, arm, 0]
    assert [each["sigma"] for each in row["by_sigma"]] == [2.0, 8.0, 16.0]
    for name in BY_SIGMA:
        assert row["by_sigma"][0][name] == row[name]
        assert row["by_sigma"][2][name] == wide[1, arm, 0][name]
    assert row["surest"] != row["by_sigma"][2]["surest"]
    assert rows[0, arm, 0].get("by_sigma") is None


def test_guesses_know_no_threshold_and_draw_by_their_seed(made: MadeUp) -> None:
    rows = made.measured()
    first, second = (rows[1, "chance/random_6", seed] for seed in (0, 1))
    assert first["threshold"] is None
    assert first["detections"] != second["detections"]
    assert first["alignment"] is None
    again = made.measured()
    assert again[1, "chance/random_6", 0]["detections"] == first["detections"]


def test_an_arm_without_enough_normals_has_no_threshold(made: MadeUp) -> None:
    made.rows["normal_maps"] = [
        {**row, "status": "rejected", "threshold": None} for row in made.rows["normal_maps"] if row["arm"] == ARMS[0]
    ]
    rows = made.measured()
    for arm in ARMS:
        assert rows[1, arm, 0]["threshold"] is None
        assert rows[1, arm, 0].get("dice") is None
        assert rows[1, arm, 0]["pointing"] == 1.0


def test_boxes_of_training_radiographs_are_a_guess_of_their_own(made: MadeUp) -> None:
    row, column = np.argwhere(made.frame.lungs == 1).mean(axis=0)
    made.pairs([[column - 4, row - 4, 8, 8]])
    rows = made.measured()
    heat = rows[1, "chance/heatmap", 0]
    assert heat["status"] == "ok"
    (found,) = heat["detections"]
    assert found["x"] + found["width"] / 2 < SIDE / 2
    made.pairs([[column - 4, row - 4, 8, 8]], split="test")
    assert (1, "chance/heatmap", 0) not in made.measured()


def test_a_cohort_that_borrows_its_models_has_no_pairs(made: MadeUp) -> None:
    made.without("pseudo_pairs")
    rows = made.measured()
    assert {arm for _, arm, _ in rows} == {*ARMS, *GUESSES}


def test_boxes_come_before_the_lesion_and_are_stored_in_the_pixels_of_the_file(made: MadeUp) -> None:
    made.radiograph(1).update({"boxes": WHOLE, "width": 2 * SIDE, "height": 2 * SIDE, "scale_x": 0.5, "scale_y": 0.5})
    made.radiograph(1).update({"offset_x": -0.25, "offset_y": -0.25})
    row = made.measured()[1, "none/pca", 0]
    assert row["truth"] == "boxes"
    (box,) = row["boxes"]
    assert (box["width"], box["height"]) == (pytest.approx(2 * SIDE), pytest.approx(2 * SIDE))
    assert (row["pointing"], row["energy"]) == (1.0, 1.0)
    assert max(detection["x"] + detection["width"] for detection in row["detections"]) > SIDE


def test_a_radiograph_of_which_nothing_lies_in_the_image_is_set_aside(made: MadeUp) -> None:
    beside = [{"x": 4000.0, "y": 0.0, "width": 5.0, "height": 5.0, "kind": ""}]
    made.radiograph(1).update({"boxes": beside, "has_lesion": False})
    rows = made.measured()
    for arm in (*ARMS, "chance/centre"):
        assert rows[1, arm, 0]["status"] == "rejected"
        assert "none of the 1 boxes" in rows[1, arm, 0]["reason"]
    assert rows[3, "none/pca", 0]["status"] == "ok"


def test_an_empty_lesion_mask_is_of_a_normal_radiograph_or_set_aside(made: MadeUp) -> None:
    empty = {"lesion": np.zeros((SIDE, SIDE), np.uint8)}
    for index in (0, 1):
        made.radiograph(index).update(
            {**made._stored("radiographs", "phantom/0", f"empty{index}", empty), "has_lesion": True}
        )
    rows = made.measured()
    assert rows[0, "none/pca", 0]["truth"] == "normal"
    assert rows[1, "none/pca", 0]["status"] == "rejected"
    assert "lesion mask is empty" in rows[1, "none/pca", 0]["reason"]


def test_a_map_that_is_not_finite_fails_its_own_row_only(made: MadeUp) -> None:
    made.remap(1, "none/pca", np.full((SIDE, SIDE), np.nan, np.float32))
    rows = made.measured()
    assert rows[1, "none/pca", 0]["status"] == "failed"
    assert "not finite" in rows[1, "none/pca", 0]["reason"]
    assert rows[1, "it_pr/pca", 0]["status"] == "ok"


def test_pairs_of_an_earlier_time_are_no_guess_for_a_cohort_that_borrows_its_translators(made: MadeUp) -> None:
    made.pairs([[20, 20, 8, 8]])
    run = made.run()
    place = Place("pseudo_pairs", COHORT)
    _, pairs = require_current(made.store, place)
    publish(made.store, place, pairs, {"parents": {f"registration_model@{COHORT}": "older"}})
    with pytest.raises(dg.Failure, match="was made from an older registration_model"):
        training_heat(run)
    borrowed = {"parents": {}, "settings": {"borrow_from": "other"}}
    publish(made.store, Place("translator", COHORT), TRANSLATOR.empty_table(), borrowed)
    assert training_heat(run) is None


def test_a_shard_without_findings_is_not_measured_and_reads_little(made: MadeUp) -> None:
    for index in range(SUBJECTS):
        made.radiograph(index)["has_lesion"] = False
    run = made.run()
    assert localised_tasks(run, FEW) == []
    assert "normal_maps@phantom" not in run.parents
    # By this it is told whether the shard is up to date.
    assert "anomaly_maps@phantom/0" in run.parents
    assert pictures(run, [], FEW) == {}


def test_as_many_normals_as_the_settings_say(made: MadeUp) -> None:
    rows = made.measured(FEW.model_copy(update={"normals": 1}))
    assert {index for index, _, _ in rows} == {0, 1, 3, 5}


def keys(made: MadeUp, settings: LocalisationSettings = FEW) -> dict[tuple[int, str, int], str]:
    return {name: str(row["key"]) for name, row in made.measured(settings).items()}


def changed(
    before: dict[tuple[int, str, int], str], after: dict[tuple[int, str, int], str]
) -> set[tuple[int, str, int]]:
    return {name for name, key in after.items() if before.get(name) != key}


def test_keys_follow_what_a_row_is_made_from(made: MadeUp) -> None:
    before = keys(made)
    assert len(set(before.values())) == len(before)
    made.remap(1, "none/pca", np.ones((SIDE, SIDE), np.float32))
    assert changed(before, keys(made)) == {(1, "none/pca", 0)}

    before = keys(made)
    made.radiograph(3)["boxes"] = WHOLE
    assert {index for index, _, _ in changed(before, keys(made))} == {3}

    before = keys(made)
    made.rows["normal_maps"][0]["threshold"] = 0.5
    assert {arm for _, arm, _ in changed(before, keys(made))} == {ARMS[0]}

    before = keys(made)
    made.pairs([[20, 20, 8, 8]])
    assert {arm for _, arm, _ in changed(before, keys(made))} == {"chance/heatmap"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("detection_sigma", 1.0),
        ("relative_threshold", 0.7),
        ("smallest_share", 0.01),
        ("detections", 2),
        ("pointing_sigma", 0.0),
        ("surest_sigmas", [4.0]),
    ],
)
def test_every_setting_of_a_measurement_is_in_its_key(made: MadeUp, setting: str, value: float) -> None:
    before = keys(made)
    assert changed(before, keys(made, FEW.model_copy(update={setting: value}))) == set(before)


@pytest.mark.parametrize(("setting", "value"), [("normals", 1), ("random_sigmas", [3.0]), ("random_draws", 1)])
def test_what_only_chooses_rows_changes_none_of_them(made: MadeUp, setting: str, value: object) -> None:
    before = keys(made)
    after = keys(made, FEW.model_copy(update={setting: value}))
    assert {name for name in changed(before, after) if name in before} == set()
    assert after.keys() != before.keys()


def test_pictures_are_of_the_arms_on_findings(made: MadeUp) -> None:
    run = made.run()
    rows: list[Row] = run.refresh(localised_tasks(run, FEW)).rows
    drawn = pictures(run, rows, FEW)
    assert list(drawn) == [f"boxes {arm}" for arm in sorted(ARMS)]
    assert all(png.startswith(b"\x89PNG") for png in drawn.values())


@pytest.mark.parametrize("arm", ARMS)
def test_the_positive_part_is_localised_where_the_settings_say_so(made: MadeUp, arm: str) -> None:
    rows = made.measured(FEW.model_copy(update={"maps": "positive"}))
    # The made-up translations leave nothing that is brighter than the radiograph.
    assert rows[1, arm, 0]["detections"] == []
    assert rows[1, arm, 0]["threshold"] is None


def test_maps_in_spreads_of_normals_leave_out_what_is_usual(made: MadeUp) -> None:
    side = (SIDE, SIDE)
    usual = np.zeros(side, np.float32)
    usual[:, :20] = 0.5
    made.normals("none/pca", usual)
    rng = np.random.default_rng(0)
    noisy = (usual + 0.02 * rng.random(side) + 0.2 * (made.phantoms[1].lesion > 0)).astype(np.float32)
    made.remap(1, "none/pca", noisy)
    plain, above = (
        made.measured(FEW.model_copy(update={"maps": name}))[1, "none/pca", 0] for name in ("absolute", "absolute_z")
    )
    assert above["energy"] > 2 * plain["energy"]
    assert above["pointing"] == 1.0
    assert above["threshold"] is None


def test_maps_in_spreads_need_normals(made: MadeUp) -> None:
    made.rows["normal_maps"][0]["status"] = "rejected"
    del made.rows["normal_maps"][1]
    rows = made.measured(FEW.model_copy(update={"maps": "positive_z"}))
    for arm in ("none/pca", "it_pr/pca"):
        assert rows[1, arm, 0]["status"] == "failed"
        assert "has no normal maps" in rows[1, arm, 0]["reason"]
    assert rows[1, "chance/centre", 0]["status"] == "ok"


def test_the_kind_of_map_is_in_the_key_of_arms_alone(made: MadeUp) -> None:
    before = keys(made)
    after = keys(made, FEW.model_copy(update={"maps": "positive"}))
    assert {arm for _, arm, _ in changed(before, after)} == set(ARMS)
