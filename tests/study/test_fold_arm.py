from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from assets.evaluation.patients import PatientScores
from assets.evaluation.roc import Undefined
from assets.study.fold_arm import FoldArm, rates, seed_mean
from tests.study.made_up import scaled


def side(seed: int, name: str, each: int = 20, skill: float = 1.0) -> PatientScores:
    labels = np.arange(2 * each) < each
    scores = np.random.default_rng(seed).normal(size=2 * each) + skill * labels
    return PatientScores([f"{name}{i}" for i in range(2 * each)], scores, labels)


def arm(seed: int, name: str = "t") -> FoldArm:
    return FoldArm("score_mean", side(seed, "v"), side(seed + 100, name))


def test_seeds_count_alike_whatever_their_scale() -> None:
    first, second = arm(0), arm(1)
    plain = seed_mean([first, second])
    other = seed_mean([first, scaled(second, 1000, -7)])
    np.testing.assert_allclose(other.test.scores, plain.test.scores)
    np.testing.assert_allclose(other.validation.scores, plain.validation.scores)


def test_the_scale_is_that_of_validation_normals() -> None:
    only = seed_mean([arm(0)])
    normals = only.validation.scores[~only.validation.labels]
    assert (normals.mean(), normals.std()) == pytest.approx((0, 1))
    assert (only.test.patients, only.score) == (arm(0).test.patients, "score_mean")


def test_without_usable_validation_normals_test_patients_give_the_scale() -> None:
    first, second = arm(0), arm(1)
    constant = PatientScores(first.validation.patients, np.ones(40), first.validation.labels)
    for validation in (first.validation.none(), constant):
        found = seed_mean([FoldArm("score_mean", validation, each.test) for each in (first, scaled(second, 50, 3))])
        again = seed_mean([FoldArm("score_mean", validation, each.test) for each in (first, second)])
        np.testing.assert_allclose(found.test.scores, again.test.scores)
    nothing = FoldArm("score_mean", constant, PatientScores(["a", "b"], np.ones(2), np.array([True, False])))
    np.testing.assert_array_equal(seed_mean([nothing, nothing]).test.scores, 0)


def test_a_patient_whom_a_seed_could_not_score_is_left_out_of_the_mean() -> None:
    first, second = arm(0), arm(1)
    whole, less = seed_mean([first, second]), without(second, "t3")
    found = seed_mean([first, replace(second, test=less)])
    assert found.test.patients == [name for name in whole.test.patients if name != "t3"]
    np.testing.assert_allclose(found.test.scores, np.delete(whole.test.scores, 3))
    np.testing.assert_array_equal(found.test.labels, np.delete(whole.test.labels, 3))
    turned = PatientScores(less.patients[::-1], less.scores[::-1], less.labels[::-1])
    again = seed_mean([first, replace(second, test=turned)])
    np.testing.assert_allclose(again.test.scores, found.test.scores)


def without(found: FoldArm, name: str) -> PatientScores:
    keep = np.array([patient != name for patient in found.test.patients])
    kept = [patient for patient in found.test.patients if patient != name]
    return PatientScores(kept, found.test.scores[keep], found.test.labels[keep])


def test_seeds_of_other_patients_have_no_mean() -> None:
    with pytest.raises(Undefined, match="no test patient"):
        seed_mean([arm(0), arm(1, name="u")])


def test_rates_of_one_fold_are_its_own() -> None:
    found, only = rates([arm(0)], 0.9), arm(0)
    scores, labels = only.test.scores, only.test.labels
    assert found.average_precision == pytest.approx(average_precision_score(labels, scores))
    highest = np.sort(only.validation.scores[~only.validation.labels])[17]
    assert found.sensitivity_at_threshold == np.mean(scores[labels] > highest)
    assert found.specificity_at_threshold == np.mean(scores[~labels] <= highest)
    # two of twenty normals may lie above
    allowed = np.sort(scores[~labels])[17]
    assert found.sensitivity == np.mean(scores[labels] > allowed)


def test_rates_are_shares_of_all_patients() -> None:
    large, small = arm(0), FoldArm("score_mean", side(5, "v"), side(6, "s", each=5, skill=0.0))
    single = [rates([fold], 0.9) for fold in (large, small)]
    both = rates([large, small], 0.9)
    for name in ("average_precision", "sensitivity", "sensitivity_at_threshold", "specificity_at_threshold"):
        values = [getattr(found, name) for found in single]
        assert getattr(both, name) == pytest.approx((20 * values[0] + 5 * values[1]) / 25)


def test_each_fold_has_its_own_scale() -> None:
    assert rates([arm(0), scaled(arm(1), 1000, 5)], 0.9) == rates([arm(0), arm(1)], 0.9)


def test_what_no_fold_defines_is_none() -> None:
    assert set(vars(rates([], 0.9)).values()) == {None}
    alone = PatientScores(["a"], np.array([1.0]), np.array([True]))
    found = rates([FoldArm("score_mean", arm(0).validation, alone)], 0.9)
    assert (found.average_precision, found.sensitivity, found.specificity_at_threshold) == (None, None, None)
    assert found.sensitivity_at_threshold in (0.0, 1.0)
    broken = PatientScores(["a", "b"], np.array([np.nan, 1.0]), np.array([True, False]))
    assert set(vars(rates([FoldArm("score_mean", arm(0).validation, broken)], 0.9)).values()) == {None}
