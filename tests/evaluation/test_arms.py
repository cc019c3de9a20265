from typing import Any

import pytest

from assets.evaluation.arms import arm_comparisons, arm_results, by_arm, evaluation_rows, lesion_auc
from assets.evaluation.settings import EvaluationSettings
from assets.scoring.score import SCORE_NAMES


def row(number: int, domain: str, score: float, **other: object) -> dict[str, Any]:
    scored: dict[str, Any] = dict.fromkeys(map(str, SCORE_NAMES), score)
    arm = {"alignment": "it_dpr", "method": "pca", "seed": 0, "split": "test", "lesion_auc": None}
    return {"radiograph_id": f"{number:02d}", "patient": f"p{number}", "domain": domain, **scored, **arm, **other}


ROWS = [
    row(0, "normal", 0.1),
    row(1, "normal", 0.3),
    row(2, "abnormal", 0.2, lesion_auc=0.6),
    row(3, "abnormal", 0.4, lesion_auc=0.8),
]


def test_area_counts_pairs_in_which_the_abnormal_patient_scores_higher() -> None:
    # 0.2 > 0.1, 0.4 > 0.1, 0.4 > 0.3, but not 0.2 > 0.3: three of four pairs
    (arm,) = arm_results(ROWS, "test", EvaluationSettings())
    found = arm.result("score_mean")
    assert found is not None
    assert found.auc is not None
    assert found.auc.area == pytest.approx(0.75)


def test_rows_of_other_splits_and_of_neither_domain_do_not_count() -> None:
    extra = [row(4, "other", 9.0), row(5, "abnormal", 0.0, split="train")]
    assert by_arm([*ROWS, *extra], "test") == by_arm(ROWS, "test")


def test_arms_and_seeds_are_kept_apart() -> None:
    again = [{**item, "seed": 1} for item in ROWS]
    assert list(by_arm([*ROWS, *again], "test")) == [("it_dpr", "pca", 0), ("it_dpr", "pca", 1)]


def test_table_holds_every_score_once_and_marks_the_headline() -> None:
    table = evaluation_rows(ROWS, EvaluationSettings(headline="score_top5"))
    assert [item["score"] for item in table] == list(SCORE_NAMES)
    assert [item["score"] for item in table if item["headline"]] == ["score_top5"]
    assert [item["lesion_auc"] for item in table] == [pytest.approx(0.7)] * len(table)
    assert len({item["key"] for item in table}) == len(table)


def test_one_class_gives_rows_without_area_and_a_reason() -> None:
    table = evaluation_rows(ROWS[:2], EvaluationSettings())
    assert all(item["auc"] is None and item["status"] == "rejected" and item["reason"] for item in table)


def test_lesion_area_is_missing_without_lesions() -> None:
    assert lesion_auc(ROWS[:2]) is None


def test_aligned_arms_are_compared_with_the_same_arm_unaligned() -> None:
    # Aligned: all four pairs in order. Unaligned: three of four. The difference of the areas is a quarter.
    aligned = [{**item, "score_mean": value} for item, value in zip(ROWS, (0.1, 0.2, 0.3, 0.4), strict=True)]
    plain = [{**item, "alignment": "none"} for item in ROWS]
    (found,) = arm_comparisons([*aligned, *plain], "test", EvaluationSettings())
    assert (found.first, found.second) == ("it_dpr/pca, seed 0", "none/pca, seed 0")
    assert found.comparison is not None
    assert found.comparison.difference == pytest.approx(0.25)


def test_without_an_unaligned_arm_nothing_is_compared_and_one_class_gives_a_reason() -> None:
    assert arm_comparisons(ROWS, "test", EvaluationSettings()) == []
    plain = [{**item, "alignment": "none"} for item in ROWS[:2]]
    (found,) = arm_comparisons([*ROWS[:2], *plain], "test", EvaluationSettings())
    assert found.comparison is None
    assert found.reason


def test_arms_of_different_patients_are_not_compared() -> None:
    plain = [{**item, "alignment": "none"} for item in ROWS[1:]]
    (found,) = arm_comparisons([*ROWS, *plain], "test", EvaluationSettings())
    assert found.comparison is None
    assert "same patients" in found.reason
