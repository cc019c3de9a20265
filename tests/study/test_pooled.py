import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from assets.evaluation.comparison import paired_delong
from assets.evaluation.patients import PatientScores
from assets.evaluation.roc import Undefined, auc, delong, separation_bound
from assets.study.pooled import paired, pooled, restricted

F64 = npt.NDArray[np.float64]


def fold(
    seed: int, m: int = 15, n: int = 20, skill: float = 1.0, name: str = "", base: F64 | None = None
) -> PatientScores:
    rng = np.random.default_rng(seed)
    labels = np.arange(m + n) < m
    common_part = np.zeros(m + n) if base is None else base
    scores = common_part + rng.normal(size=m + n) + skill * labels
    return PatientScores([f"{name or seed}-{i}" for i in range(m + n)], scores, labels)


def scaled(found: PatientScores, factor: float, shift: float) -> PatientScores:
    return PatientScores(found.patients, factor * found.scores + shift, found.labels)


@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(2, 20))
@settings(max_examples=30, deadline=None)
def test_one_fold_is_delong_s(seed: int, m: int, n: int) -> None:
    one = fold(seed, m, n)
    found, plain = pooled([one]), auc(one.scores, one.labels)
    assert found.auc.area == pytest.approx(plain.area)
    assert found.auc.standard_error == pytest.approx(plain.standard_error, abs=1e-9)
    assert (found.auc.positives, found.auc.negatives) == (m, n)
    if found.auc.interval is not None and plain.interval is not None:
        assert (found.auc.interval.low, found.auc.interval.high) == pytest.approx(
            (plain.interval.low, plain.interval.high)
        )


@given(st.lists(st.tuples(st.integers(2, 12), st.integers(2, 12)), min_size=1, max_size=4), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_the_area_is_the_share_of_well_ordered_pairs_within_folds(sizes: list[tuple[int, int]], seed: int) -> None:
    folds = [fold(seed + i, m, n, name=str(i)) for i, (m, n) in enumerate(sizes)]
    ordered = [(f.scores[f.labels][:, None] > f.scores[~f.labels]).sum() for f in folds]
    assert pooled(folds).auc.area == pytest.approx(sum(ordered) / sum(m * n for m, n in sizes))


def test_variance_is_the_weighted_sum_of_the_folds() -> None:
    folds = [fold(1, 10, 30), fold(2, 25, 12), fold(3, 8, 8)]
    weights = np.array([300, 300, 64]) / 664
    variances = [delong(f.scores[None], f.labels)[1][0, 0] for f in folds]
    assert pooled(folds).auc.standard_error == pytest.approx(np.sqrt(weights**2 @ variances))


def test_equal_folds_have_the_cross_validated_variance_as_published() -> None:
    # LeDell, Petersen and van der Laan 2015: mean over the folds of the mean squared influence, by the number of
    # patients; the influence divides by the class's share. It divides by m where we divide by m - 1.
    folds = [fold(seed, 20, 20) for seed in range(4)]
    squared = []
    for each in folds:
        above = (each.scores[each.labels][:, None] > each.scores[~each.labels]).astype(float)
        influence = np.concatenate([above.mean(axis=1), above.mean(axis=0)]) - above.mean()
        squared.append(np.mean((influence / 0.5) ** 2))
    published = np.sqrt(np.mean(squared) / 160)
    assert pooled(folds).auc.standard_error == pytest.approx(published * np.sqrt(20 / 19))


def test_each_fold_has_its_own_scale() -> None:
    folds = [fold(1), fold(2)]
    assert pooled([folds[0], scaled(folds[1], 1000, -5)]).auc == pooled(folds).auc


def test_order_of_folds_and_patients_is_all_one() -> None:
    first, second = fold(1), fold(2)
    order = np.random.default_rng(0).permutation(len(first.patients))
    mixed = PatientScores([first.patients[i] for i in order], first.scores[order], first.labels[order])
    found, again = pooled([first, second]), pooled([second, mixed])
    assert again.auc.area == pytest.approx(found.auc.area)
    assert again.auc.standard_error == pytest.approx(found.auc.standard_error)
    influence = dict(zip(again.patients, again.influence, strict=True))
    np.testing.assert_allclose([influence[name] for name in found.patients], found.influence)


def test_a_fold_of_one_class_orders_no_pair() -> None:
    whole = fold(1)
    alone = PatientScores(["x", "y"], np.array([5.0, 6.0]), np.array([True, True]))
    found = pooled([whole, alone])
    assert found.auc == pooled([whole]).auc
    assert found.folds == 1
    with pytest.raises(Undefined, match="none with both"):
        pooled([alone])
    with pytest.raises(Undefined, match="none with both"):
        pooled([])


def test_one_patient_in_a_class_of_a_fold_gives_an_area_without_interval() -> None:
    found = pooled([fold(1), PatientScores(["a", "b", "c"], np.array([2.0, 1.0, 3.0]), np.array([True, False, False]))])
    assert (found.auc.standard_error, found.auc.interval) == (None, None)
    assert "one patient" in found.auc.note
    with pytest.raises(Undefined, match="one patient"):
        paired(found, found)


def test_what_is_no_number_or_twice_there_is_refused() -> None:
    broken = PatientScores(["a", "b"], np.array([np.nan, 1.0]), np.array([True, False]))
    with pytest.raises(Undefined, match="not finite"):
        pooled([fold(1), broken])
    with pytest.raises(ValueError, match="two folds"):
        pooled([fold(1), fold(1)])


def test_separation_without_exception_has_a_one_sided_bound() -> None:
    folds = [fold(1, 10, 12, skill=100), fold(2, 6, 5, skill=100)]
    found = pooled(folds).auc
    assert found.area == 1
    assert found.interval is not None
    assert (found.interval.low, found.interval.method) == (separation_bound(15, 15, 0.95), "one_sided")
    turned = pooled([scaled(f, -1, 0) for f in folds]).auc
    assert turned.area == 0
    assert turned.interval is not None
    assert turned.interval.high == pytest.approx(1 - found.interval.low)


def test_equal_scores_are_chance_without_interval() -> None:
    found = pooled([scaled(fold(1), 0, 3), scaled(fold(2), 0, 4)]).auc
    assert (found.area, found.interval) == (0.5, None)
    assert "equal" in found.note


def test_one_fold_s_difference_is_paired_delong_s() -> None:
    base = np.random.default_rng(3).normal(size=35)
    first, second = fold(1, skill=1.5, name="p", base=base), fold(2, skill=0.5, name="p", base=base)
    found = paired(pooled([first]), pooled([second]))
    plain = paired_delong(first.scores, second.scores, first.labels)
    assert (found.difference, found.low, found.high) == pytest.approx((plain.difference, plain.low, plain.high))
    assert found.p_value == pytest.approx(plain.p_value)
    back = paired(pooled([second]), pooled([first]))
    assert (back.difference, back.low, back.high) == pytest.approx((-found.difference, -found.high, -found.low))


def test_arms_of_other_foldings_are_compared_by_patient() -> None:
    one, two = fold(1, 20, 20, name="p"), fold(2, 20, 20, name="p")
    halves = [PatientScores(two.patients[half::2], two.scores[half::2], two.labels[half::2]) for half in (0, 1)]
    found = paired(pooled([one]), pooled(halves))
    assert found.difference == pytest.approx(pooled([one]).auc.area - pooled(halves).auc.area)
    assert found.low < found.difference < found.high
    with pytest.raises(Undefined, match="same patients"):
        paired(pooled([one]), pooled(halves[:1]))


def test_the_same_ranking_does_not_differ_and_separation_both_ways_has_no_variance() -> None:
    folds = [fold(1), fold(2)]
    same = paired(pooled(folds), pooled([scaled(f, 3, 1) for f in folds]))
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    apart = [fold(1, skill=100)]
    with pytest.raises(Undefined, match="neither varies"):
        paired(pooled(apart), pooled([scaled(apart[0], -1, 0)]))


def test_restricting_keeps_the_order_and_the_folds() -> None:
    folds = [fold(1, 3, 3), fold(2, 3, 3)]
    found = restricted(folds, set(folds[0].patients[1::2]))
    assert [item.patients for item in found] == [folds[0].patients[1::2], []]
    np.testing.assert_array_equal(found[0].scores, folds[0].scores[1::2])
    np.testing.assert_array_equal(found[0].labels, folds[0].labels[1::2])


def coverage(skill: float, draws: int, seed: int) -> float:
    """Share of intervals over two folds of 30 and 30 patients that hold the true area."""
    truth = norm.cdf(skill / np.sqrt(2))
    rng = np.random.default_rng(seed)
    held = 0
    for _ in range(draws):
        labels = np.arange(60) < 30
        folds = [
            # the second fold's model has another scale
            PatientScores([f"{k}{i}" for i in range(60)], 10**k * (rng.normal(size=60) + skill * labels), labels)
            for k in (0, 1)
        ]
        interval = pooled(folds).auc.interval
        held += interval is not None and interval.low <= truth <= interval.high
    return held / draws


def test_intervals_hold_the_true_area_as_often_as_they_say() -> None:
    # 300 draws leave a standard error of 0.0126 at 0.95
    assert 0.90 < coverage(1.0, 300, 0) <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("skill", [0.5, 1.0, 2.0, 3.0])
def test_coverage_in_many_draws(skill: float) -> None:
    # three standard errors of 2,000 draws are 0.015; near 1 the logit interval loses a little
    assert coverage(skill, 2000, 1) > 0.935 - 0.02 * (skill > 2)


def test_level_of_the_paired_test_under_no_difference() -> None:
    # two arms of equal skill: p < 0.05 in 5 % of the draws; 300 draws leave a standard error of 0.0126
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(300):
        base = rng.normal(size=(2, 60))
        labels = np.arange(60) < 30
        arms = [
            pooled(
                [
                    PatientScores([f"{k}{i}" for i in range(60)], base[k] + rng.normal(size=60) + labels, labels)
                    for k in (0, 1)
                ]
            )
            for _ in range(2)
        ]
        p_value = paired(arms[0], arms[1]).p_value
        assert p_value is not None
        rejected += p_value < 0.05
    assert 0.005 < rejected / 300 < 0.10
