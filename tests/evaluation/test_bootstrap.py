import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from assets.evaluation.bootstrap import bootstrap_areas, clustered_interval, percentile_interval, roc_band
from assets.evaluation.patients import patient_groups
from assets.evaluation.roc import Undefined, auc, delong, roc_curve


def test_areas_equal_sklearn_s_on_the_same_resamples() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.integers(0, 5, 30).astype(float), np.arange(30) < 12
    areas = bootstrap_areas(scores, labels, 20, np.random.default_rng(7))
    # the same draws: abnormal first, then normal
    draws = np.random.default_rng(7)
    for area in areas[:, 0]:
        rows = np.r_[draws.choice(np.arange(12), 12), draws.choice(np.arange(12, 30), 18)]
        assert area == pytest.approx(roc_auc_score(labels[rows], scores[rows]))


def test_all_arms_see_the_same_resamples() -> None:
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=40), np.arange(40) < 20
    areas = bootstrap_areas(np.stack([scores, 2 * scores + 1, -scores]), labels, 50, rng)
    np.testing.assert_allclose(areas[:, 0], areas[:, 1])
    np.testing.assert_allclose(areas[:, 0], 1 - areas[:, 2])


def test_spread_agrees_with_delong() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(200) < 80
    scores = np.stack([rng.normal(size=200) + labels, rng.normal(size=200) + 0.5 * labels])
    areas = bootstrap_areas(scores, labels, 1500, rng)
    _, covariance = delong(scores, labels)
    np.testing.assert_allclose(areas.std(axis=0), np.sqrt(np.diag(covariance)), rtol=0.12)
    low, high = percentile_interval(areas[:, 0], 0.95)
    interval = auc(scores[0], labels).interval
    assert interval is not None
    assert (low, high) == pytest.approx((interval.low, interval.high), abs=0.02)


def test_equal_generators_give_equal_samples() -> None:
    scores, labels = np.random.default_rng(3).normal(size=20), np.arange(20) < 9
    first, second = (bootstrap_areas(scores, labels, 30, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_one_class_is_undefined() -> None:
    with pytest.raises(Undefined):
        bootstrap_areas([1.0, 2.0], [1, 1], 5, np.random.default_rng(0))
    with pytest.raises(Undefined):
        roc_band([1.0, 2.0], [1, 1], 5, 0.95, np.random.default_rng(0))


def test_band_holds_the_curve_and_both_corners() -> None:
    rng = np.random.default_rng(4)
    labels = np.arange(120) < 60
    scores = rng.normal(size=120) + 1.2 * labels
    band = roc_band(scores, labels, 400, 0.95, rng)
    curve = roc_curve(scores, labels)
    seen = np.interp(band.false_positive_rate, curve.false_positive_rate, curve.true_positive_rate)
    assert ((band.low - 0.03 <= seen) & (seen <= band.high + 0.03)).all()
    assert (band.low <= band.high).all()
    assert band.low[-1] == band.high[-1] == 1
    assert (np.diff(band.low) >= 0).all()


def test_higher_confidence_widens_the_band() -> None:
    labels = np.arange(60) < 30
    scores = np.random.default_rng(6).normal(size=60) + labels
    narrow, wide = (roc_band(scores, labels, 200, level, np.random.default_rng(0)) for level in (0.5, 0.99))
    assert (wide.low <= narrow.low).all()
    assert (wide.high >= narrow.high).all()


def test_several_radiographs_a_patient_widen_the_interval() -> None:
    rng = np.random.default_rng(8)
    # four identical radiographs of each of 60 patients carry no more than 60 patients' worth
    scores = np.repeat(rng.normal(size=60) + (np.arange(60) < 30), 4)
    labels, patients = np.repeat(np.arange(60) < 30, 4), [f"p{i // 4}" for i in range(240)]
    area, low, high = clustered_interval(patient_groups(patients, labels), scores, labels, 1000, 0.95, rng)
    single = auc(scores[::4], labels[::4])
    assert area == pytest.approx(single.area)
    assert single.interval is not None
    assert (low, high) == pytest.approx((single.interval.low, single.interval.high), abs=0.03)
    naive = auc(scores, labels).interval
    assert naive is not None
    assert high - low > 1.6 * (naive.high - naive.low)


def test_single_radiographs_give_the_interval_of_patients() -> None:
    rng = np.random.default_rng(9)
    scores, labels = rng.normal(size=50) + (np.arange(50) < 25), np.arange(50) < 25
    groups = patient_groups([str(i) for i in range(50)], labels)
    found = clustered_interval(groups, scores, labels, 200, 0.95, np.random.default_rng(3))
    areas = bootstrap_areas(scores, labels, 200, np.random.default_rng(3))[:, 0]
    assert found == pytest.approx((auc(scores, labels).area, *percentile_interval(areas, 0.95)))


def test_patients_that_are_all_abnormal_cannot_be_resampled_by_class() -> None:
    labels = [True, False, True, False]
    with pytest.raises(Undefined, match="every patient"):
        clustered_interval(
            patient_groups(list("aabb"), labels), [1, 2, 3, 4], labels, 10, 0.95, np.random.default_rng()
        )
