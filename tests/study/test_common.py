import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.evaluation.patients import PatientScores
from assets.evaluation.roc import Undefined
from assets.study.common import averaged, on_common
from assets.study.pooled import paired, pooled


def arm(seed: int, name: str = "p", each: int = 15) -> list[PatientScores]:
    """Two folds of the same patients for every seed."""
    rng = np.random.default_rng(seed)
    labels = np.arange(2 * each) < each
    return [
        PatientScores([f"{name}{fold}-{i}" for i in range(2 * each)], rng.normal(size=2 * each) + labels, labels)
        for fold in (0, 1)
    ]


@given(st.integers(0, 10_000), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_the_mean_has_the_variance_of_the_mean_of_correlated_areas(seed: int, count: int) -> None:
    several = [pooled(arm(seed + i)) for i in range(count)]
    found = averaged(several)
    assert found.auc.area == pytest.approx(np.mean([item.auc.area for item in several]))
    covariance = np.array([[a.influence @ b.influence for b in several] for a in several])
    assert found.auc.standard_error == pytest.approx(np.sqrt(covariance.mean()), abs=1e-9)
    assert (found.auc.positives, found.auc.negatives, found.folds) == (30, 30, 2)


def test_equal_arms_are_their_mean_whatever_the_order_of_patients() -> None:
    folds = arm(1)
    turned = [PatientScores(f.patients[::-1], f.scores[::-1], f.labels[::-1]) for f in folds[::-1]]
    found = averaged([pooled(folds), pooled(turned)])
    assert found.auc.standard_error == pytest.approx(pooled(folds).auc.standard_error)
    assert paired(found, pooled(folds)).difference == pytest.approx(0)


def test_means_over_other_patients_are_refused() -> None:
    with pytest.raises(Undefined, match="same patients"):
        averaged([pooled(arm(1)), pooled(arm(1, "q"))])


def test_all_sides_are_brought_to_the_patients_that_each_has() -> None:
    first, second, third = arm(1), arm(2), arm(3)
    cut = [PatientScores(f.patients[3:], f.scores[3:], f.labels[3:]) for f in second]
    found = on_common([first, cut, third[:1]])
    assert all(set(item.patients) == set(cut[0].patients) for item in found)
    assert found[1].auc == pooled(cut[:1]).auc
    with pytest.raises(Undefined, match="none with both"):
        on_common([first, arm(1, "q")])


def test_seeds_do_not_beat_a_model_of_equal_skill_by_their_number() -> None:
    # single seeds against one model, all equally good: the mean of four seeds differs by chance alone, their
    # ensemble nearly always
    rng = np.random.default_rng(0)
    mean_wins = ensemble_wins = 0
    for _ in range(60):
        base, labels = rng.normal(size=80), np.arange(80) < 40
        names = [f"p{i}" for i in range(80)]
        scores = 0.3 * base + labels + 2 * rng.normal(size=(5, 80))
        sides = [[PatientScores(names, each, labels)] for each in scores]
        *singles, other = on_common(sides)
        mean_wins += averaged(singles).auc.area > other.auc.area
        together = pooled([PatientScores(names, scores[:4].mean(axis=0), labels)])
        ensemble_wins += together.auc.area > other.auc.area
    assert 15 < mean_wins < 45 < ensemble_wins
