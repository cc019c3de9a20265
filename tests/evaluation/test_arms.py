import numpy as np
import pytest

from assets.evaluation.arms import arm_comparisons, arm_results, evaluated, evaluation_rows
from assets.evaluation.choice import Decisions
from assets.evaluation.settings import EvaluationSettings
from assets.scoring.score import SCORE_NAMES
from assets.tables.scores import EVALUATION
from tests.evaluation.scored import row, table

ROWS = [
    row(0, "normal", 0.1),
    row(1, "normal", 0.3),
    row(2, "abnormal", 0.2, lesion_auc=0.6, lesion_ap=0.1),
    row(3, "abnormal", 0.4, lesion_auc=0.8, lesion_ap=0.2),
]
SETTINGS = EvaluationSettings()


def test_area_counts_pairs_in_which_the_abnormal_patient_scores_higher() -> None:
    # 0.2 > 0.1, 0.4 > 0.1, 0.4 > 0.3, but not 0.2 > 0.3: three of four pairs
    found = evaluated(table(ROWS), SETTINGS)
    (arm,) = arm_results(found, found.test)
    measured = arm.result("score_mean")
    assert measured is not None
    assert measured.auc is not None
    assert measured.auc.area == pytest.approx(0.75)


def test_arms_and_seeds_are_kept_apart() -> None:
    again = [{**item, "seed": 1} for item in ROWS]
    found = evaluated(table([*again, *ROWS]), SETTINGS)
    assert [arm.name for arm in arm_results(found, found.test)] == ["it_dpr/pca, seed 0", "it_dpr/pca, seed 1"]


def test_table_has_the_manifest_s_columns_and_every_score_once_a_split() -> None:
    validation = [{**item, "split": "validation", "radiograph_id": f"v{item['radiograph_id']}"} for item in ROWS]
    rows = evaluation_rows(evaluated(table([*ROWS, *validation]), SETTINGS))
    assert [(item["split"], item["score"]) for item in rows] == [
        (split, score) for split in ("validation", "test") for score in SCORE_NAMES
    ]
    assert {name for item in rows for name in item} <= set(EVALUATION.names)
    assert [item["lesion_auc"] for item in rows] == [pytest.approx(0.7)] * len(rows)
    assert [item["lesion_ap"] for item in rows] == [pytest.approx(0.15)] * len(rows)
    assert len({item["key"] for item in rows}) == len(rows)


def test_a_headline_fixed_beforehand_leaves_the_choice_beside_it() -> None:
    rows = evaluation_rows(evaluated(table(ROWS), EvaluationSettings(headline="score_top5")))
    assert [item["score"] for item in rows if item["headline"]] == ["score_top5"]
    assert [item["score"] for item in rows if item["chosen"]] == ["score_mean"]


def test_a_lender_s_decisions_stand_where_there_is_no_validation() -> None:
    theirs = Decisions({"it_dpr/pca": "score_top5"}, {("it_dpr/pca", 0, "score_top5"): 0.25})
    rows = evaluation_rows(evaluated(table(ROWS), SETTINGS, theirs))
    (chosen,) = [item for item in rows if item["chosen"]]
    assert (chosen["score"], chosen["headline"], chosen["threshold"]) == ("score_top5", True, 0.25)
    # above it: one of two abnormal patients, one of two normal ones
    assert (chosen["sensitivity_at_threshold"], chosen["specificity_at_threshold"]) == (0.5, 0.5)
    assert chosen["balanced_accuracy"] == 0.5
    assert chosen["plateau_width"] is None
    assert chosen["youden_loss"] is None


def test_one_class_gives_rows_without_area_and_a_reason() -> None:
    rows = evaluation_rows(evaluated(table(ROWS[:2]), SETTINGS))
    assert len(rows) == len(SCORE_NAMES)
    assert all(item["auc"] is None and item["status"] == "rejected" and item["reason"] for item in rows)
    assert all(item["lesion_auc"] is None for item in rows)


def test_a_score_that_is_missing_or_no_number_leaves_the_others() -> None:
    for missing in (None, float("nan")):
        rows = evaluation_rows(evaluated(table([{**ROWS[0], "score_top5": missing}, *ROWS[1:]]), SETTINGS))
        by_score = {item["score"]: item for item in rows}
        assert by_score["score_top5"]["auc"] is None
        assert "1 of 4 scores are not finite" in by_score["score_top5"]["reason"]
        assert by_score["score_top5"]["threshold"] is None
        assert by_score["score_mean"]["auc"] == pytest.approx(0.75)


def test_a_score_that_an_arm_lacks_has_no_row_unless_it_is_to_speak_for_it() -> None:
    lacking = table([{**item, "score_mean_contrast": None} for item in ROWS])
    rows = evaluation_rows(evaluated(lacking, SETTINGS))
    assert [item["score"] for item in rows] == [name for name in SCORE_NAMES if name != "score_mean_contrast"]
    assert {item["status"] for item in rows} == {"ok"}
    fixed = evaluation_rows(evaluated(lacking, EvaluationSettings(headline="score_mean_contrast")))
    (found,) = [item for item in fixed if item["headline"]]
    assert (found["score"], found["auc"], found["status"]) == ("score_mean_contrast", None, "rejected")
    assert "4 of 4 scores are not finite" in found["reason"]


def test_a_table_that_is_older_than_a_score_has_the_others() -> None:
    older = table(ROWS).drop_columns(["score_mean_contrast"])
    rows = evaluation_rows(evaluated(older, SETTINGS))
    assert [item["score"] for item in rows] == [name for name in SCORE_NAMES if name != "score_mean_contrast"]


def test_constant_scores_have_the_area_of_chance_and_no_interval() -> None:
    rows = evaluation_rows(evaluated(table([{**item, "score_mean": 0.5} for item in ROWS]), SETTINGS))
    (found,) = [item for item in rows if item["score"] == "score_mean"]
    assert (found["auc"], found["auc_low"], found["status"]) == (0.5, None, "ok")


def test_nothing_scored_gives_no_row() -> None:
    assert evaluation_rows(evaluated(table([row(0, "other", 1.0)]), SETTINGS)) == []
    assert arm_comparisons(evaluated(table([row(0, "other", 1.0)]), SETTINGS)) == []


def test_several_radiographs_a_patient_are_measured_by_radiograph_as_well() -> None:
    rng = np.random.default_rng(0)
    # each patient's two radiographs score alike
    values = np.repeat(rng.normal(size=40) + (np.arange(40) < 20), 2) + 0.01 * rng.normal(size=80)
    many = [row(i, "abnormal" if i < 40 else "normal", float(values[i]), patient=f"p{i // 2}") for i in range(80)]
    (found,) = [item for item in evaluation_rows(evaluated(table(many), SETTINGS)) if item["headline"]]
    assert (found["normals"], found["abnormals"]) == (20, 20)
    assert found["image_auc"] == pytest.approx(found["auc"], abs=0.03)
    # 80 radiographs, but no more than 40 patients' worth of information
    assert found["image_auc_high"] - found["image_auc_low"] == pytest.approx(
        found["auc_high"] - found["auc_low"], rel=0.25
    )
    alone = evaluation_rows(evaluated(table(ROWS), SETTINGS))
    assert all("image_auc" not in item for item in alone)


def test_aligned_arms_are_compared_with_the_same_arm_unaligned() -> None:
    # Aligned: all four pairs in order. Unaligned: three of four. The difference of the areas is a quarter.
    aligned = [{**item, "score_mean": value} for item, value in zip(ROWS, (0.1, 0.2, 0.3, 0.4), strict=True)]
    plain = [{**item, "alignment": "none"} for item in ROWS]
    (found,) = arm_comparisons(evaluated(table([*aligned, *plain]), SETTINGS))
    assert (found.first, found.second) == ("it_dpr/pca, seed 0", "none/pca, seed 0")
    assert found.comparison is not None
    assert found.comparison.difference == pytest.approx(0.25)


def test_without_an_unaligned_arm_nothing_is_compared_and_one_class_gives_a_reason() -> None:
    assert arm_comparisons(evaluated(table(ROWS), SETTINGS)) == []
    plain = [{**item, "alignment": "none"} for item in ROWS[:2]]
    (found,) = arm_comparisons(evaluated(table([*ROWS[:2], *plain]), SETTINGS))
    assert found.comparison is None
    assert found.reason


def test_one_radiograph_that_an_arm_lacks_leaves_the_comparison_of_the_others() -> None:
    rng = np.random.default_rng(0)
    many = [
        row(i, "abnormal" if i % 4 < 2 else "normal", float(rng.normal() + (i % 4 < 2)), patient=f"p{i // 2}")
        for i in range(80)
    ]
    plain = [{**item, "alignment": "none", "score_mean": float(rng.normal())} for item in many]
    (found,) = arm_comparisons(evaluated(table([*many, *plain[1:]]), SETTINGS))
    # the patient has another radiograph, from which both arms' scores are then
    (expected,) = arm_comparisons(evaluated(table([*many[1:], *plain[1:]]), SETTINGS))
    assert found == expected
    assert (found.normals, found.abnormals) == (20, 20)
    (fewer,) = arm_comparisons(evaluated(table([*many, *plain[2:]]), SETTINGS))
    assert (fewer.normals, fewer.abnormals) == (20, 19)
    assert fewer.comparison is not None


def test_a_comparison_has_the_bootstrap_s_interval_beside_delong_s() -> None:
    rng = np.random.default_rng(1)
    many = [row(i, "abnormal" if i % 2 else "normal", float(rng.normal() + i % 2)) for i in range(100)]
    plain = [
        {**item, "alignment": "none", "score_mean": float(rng.normal() + 0.3 * (i % 2))} for i, item in enumerate(many)
    ]
    (found,) = arm_comparisons(evaluated(table([*many, *plain]), SETTINGS))
    assert found.comparison is not None
    assert found.sampled is not None
    assert found.sampled.difference == pytest.approx(found.comparison.difference)
    assert (found.sampled.low, found.sampled.high) == pytest.approx(
        (found.comparison.low, found.comparison.high), abs=0.03
    )


def test_arms_of_different_radiographs_are_not_compared() -> None:
    plain = [{**item, "alignment": "none", "radiograph_id": f"other {item['radiograph_id']}"} for item in ROWS]
    (found,) = arm_comparisons(evaluated(table([*ROWS, *plain]), SETTINGS))
    assert found.comparison is None
    assert found.reason
    assert (found.normals, found.abnormals) == (0, 0)


def test_the_number_of_radiographs_of_a_patient_says_nothing_by_itself() -> None:
    # abnormal patients have eight radiographs, normal ones one; no radiograph tells the classes apart
    rng = np.random.default_rng(2)
    rows = [
        row(100 * patient + number, "abnormal" if patient % 2 else "normal", float(rng.normal()), patient=f"p{patient}")
        for patient in range(300)
        for number in range(8 if patient % 2 else 1)
    ]
    areas = {
        how: next(
            item["auc"]
            for item in evaluation_rows(evaluated(table(rows), EvaluationSettings(patient_score=how, resamples=100)))
            if item["headline"]
        )
        for how in ("max", "mean")
    }
    assert EvaluationSettings().patient_score == "mean"
    assert abs(areas["mean"] - 0.5) < 0.1
    assert areas["max"] > 0.85


def test_the_headline_s_stability_has_intervals_on_test() -> None:
    rng = np.random.default_rng(3)
    rows = [
        row(i, "abnormal" if i % 2 else "normal", float(rng.normal() + i % 2), split="test" if i < 80 else "validation")
        for i in range(160)
    ]
    found = evaluation_rows(evaluated(table(rows), EvaluationSettings(resamples=100)))
    told = [item for item in found if "youden_loss_low" in item]
    assert [(item["split"], item["headline"]) for item in told] == [("test", True)]
    for name in ("mean_balanced_accuracy", "plateau_width", "youden_loss"):
        assert told[0][f"{name}_low"] < told[0][f"{name}_high"]
    # without validation patients nothing is told of thresholds
    assert not any("youden_loss_low" in item for item in evaluation_rows(evaluated(table(rows[:80]), SETTINGS)))
