from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from assets.evaluation.patients import PatientScores
from assets.evaluation.roc import Undefined
from assets.evaluation.settings import EvaluationSettings
from assets.study.analysis import analysed
from assets.study.member import Member
from assets.study.preview import fold_curve, roc_curves, study_forest
from tests.study.made_up import members, study

STUDY = study()
ANALYSIS = analysed(STUDY, members(STUDY), EvaluationSettings())


def fold(seed: int, each: int = 40) -> PatientScores:
    labels = np.arange(2 * each) < each
    scores = np.random.default_rng(seed).normal(size=2 * each) + labels
    return PatientScores([f"{seed}-{i}" for i in range(2 * each)], scores, labels)


def test_equal_folds_have_a_curve_of_their_mean_area() -> None:
    folds = [fold(0), fold(1)]
    curve = fold_curve(folds)
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(np.mean([roc_auc_score(f.labels, f.scores) for f in folds]), abs=0.01)
    assert (np.diff(curve.true_positive_rate) >= 0).all()
    assert (curve.true_positive_rate[0], curve.true_positive_rate[-1]) == (0, 1)


def test_each_fold_has_its_own_scale() -> None:
    first, second = fold(0), fold(1)
    moved = replace(second, scores=1000 * second.scores)
    np.testing.assert_array_equal(
        fold_curve([first, moved]).true_positive_rate, fold_curve([first, second]).true_positive_rate
    )
    with pytest.raises(Undefined):
        fold_curve([replace(first, labels=np.ones(80, bool))])


def test_figures_of_a_study_and_of_nothing() -> None:
    forest, curves = study_forest(ANALYSIS), roc_curves(ANALYSIS, "gan")
    assert forest is not None
    assert curves is not None
    assert forest.ndim == curves.ndim == 3
    empty = analysed(STUDY, {name: [Member("x", "no")] for name in ("gan", "cheap")}, EvaluationSettings())
    assert study_forest(empty) is None
    assert roc_curves(empty, "gan") is None


def test_a_fold_of_one_class_leaves_the_curve_to_the_others() -> None:
    found = members(STUDY)
    first = found["cheap"][0]
    one_class = {
        key: replace(arm, test=replace(arm.test, labels=np.ones_like(arm.test.labels)))
        for key, arm in first.arms.items()
    }
    analysis = analysed(
        STUDY, {**found, "cheap": [replace(first, arms=one_class), *found["cheap"][1:]]}, EvaluationSettings()
    )
    assert roc_curves(analysis, "cheap") is not None
