import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import average_precision_score, roc_auc_score

from assets.evaluation.arm import score_result
from assets.evaluation.patients import PatientScores, by_patient
from assets.evaluation.settings import EvaluationSettings


def test_measures_are_of_patients() -> None:
    rng = np.random.default_rng(0)
    patients = [f"p{i // 2}" for i in range(40)]
    labels = np.arange(40) // 2 % 2 == 1
    scores = rng.normal(size=40) + labels
    for how, condensed in (("max", scores.reshape(20, 2).max(axis=1)), ("mean", scores.reshape(20, 2).mean(axis=1))):
        grouped = by_patient(patients, scores, labels, "max" if how == "max" else "mean")
        found = score_result("score_mean", grouped, EvaluationSettings())
        assert (found.positives, found.negatives) == (10, 10)
        assert found.auc is not None
        assert found.auc.area == pytest.approx(roc_auc_score(labels[::2], condensed))
        assert found.average_precision == pytest.approx(average_precision_score(labels[::2], condensed))


def test_confidence_and_specificity_are_settings() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(60) < 30
    patients = PatientScores([str(i) for i in range(60)], rng.normal(size=60) + labels, labels)
    wide = score_result("s", patients, EvaluationSettings(confidence=0.99, specificity=0.5))
    narrow = score_result("s", patients, EvaluationSettings(confidence=0.8, specificity=0.95))
    assert wide.auc is not None
    assert narrow.auc is not None
    assert wide.auc.interval is not None
    assert narrow.auc.interval is not None
    assert wide.auc.interval.low < narrow.auc.interval.low
    assert wide.sensitivity is not None
    assert narrow.sensitivity is not None
    assert wide.sensitivity > narrow.sensitivity


def test_undefined_keeps_counts_and_a_reason() -> None:
    found = score_result(
        "s", PatientScores(["a", "b"], np.array([1.0, 2.0]), np.array([True, True])), EvaluationSettings()
    )
    assert (found.positives, found.negatives, found.auc, found.average_precision) == (2, 0, None, None)
    assert "needs abnormal and normal" in found.reason


def test_settings_are_frozen_and_checked() -> None:
    with pytest.raises(ValidationError):
        EvaluationSettings(confidence=1.0)
    with pytest.raises(ValidationError):
        EvaluationSettings.model_validate({"headline": "accuracy"})
    with pytest.raises(ValidationError):
        EvaluationSettings().confidence = 0.9
