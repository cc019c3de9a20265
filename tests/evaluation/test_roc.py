import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm
from sklearn.metrics import average_precision_score, roc_auc_score

from assets.evaluation.roc import (
    Undefined,
    auc,
    average_precision,
    delong,
    roc_curve,
    sensitivity_at,
    separation_bound,
)

F64 = npt.NDArray[np.float64]
Labels = npt.NDArray[np.bool_]


def case(seed: int, m: int = 12, n: int = 15, levels: int = 6) -> tuple[F64, Labels]:
    """Scores on few levels, so that ties abound, in mixed order."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(m + n) < m
    scores = rng.integers(0, levels, m + n) + labels * rng.integers(0, 3, m + n)
    return scores.astype(np.float64), labels


def kernel(scores: F64, labels: Labels) -> F64:
    """1 where the abnormal case (row) is above the normal one (column), 1/2 where equal: the definition, O(m n)."""
    abnormal, normal = scores[labels][:, None], scores[~labels][None, :]
    return np.asarray((abnormal > normal) + 0.5 * (abnormal == normal), dtype=np.float64)


@given(st.integers(0, 10_000), st.integers(2, 20), st.integers(2, 20))
@settings(max_examples=40, deadline=None)
def test_areas_and_covariance_equal_the_pairwise_definition(seed: int, m: int, n: int) -> None:
    first, labels = case(seed, m, n)
    second = first + np.random.default_rng(seed + 1).normal(size=m + n)
    areas, covariance = delong(np.stack([first, second]), labels)
    kernels = [kernel(first, labels), kernel(second, labels)]
    np.testing.assert_allclose(areas, [k.mean() for k in kernels], atol=1e-12)
    # DeLong: the structural components are the row and column means of the kernel
    rows, columns = (np.stack([k.mean(axis=axis) for k in kernels]) for axis in (1, 0))
    np.testing.assert_allclose(covariance, np.cov(rows) / m + np.cov(columns) / n, atol=1e-12)


def test_golden_area_and_variance_by_hand() -> None:
    # abnormal 3, 2, 2 and normal 1, 2: the kernel's rows are (1, 1), (1, .5), (1, .5), so its sum is 5 of 6.
    # Row means 1, .75, .75: mean 5/6, squared deviations 1/36 + 2/144 = 1/24, variance 1/48 (ddof 1), by 3: 1/144.
    # Column means 1, 2/3: variance (1/6)^2 * 2 = 1/18, by 2: 1/36. Together 5/144.
    found = auc([3, 2, 2, 1, 2], [1, 1, 1, 0, 0])
    assert found.area == pytest.approx(5 / 6)
    assert found.standard_error == pytest.approx(np.sqrt(5) / 12)


def _repeated(counts: str) -> list[int]:
    """Values as `VALUE` or `VALUE*TIMES`."""
    pairs = (each.split("*") for each in counts.split())
    return [int(value) for value, *times in pairs for _ in range(int(times[0]) if times else 1)]


def test_golden_area_and_interval_of_proc_s_example() -> None:
    # Turck et al. 2010, Intensive Care Med 36:107 (aSAH of R's pROC): S100B in 0.01 ng/ml, 72 patients with a good and
    # 41 with a poor outcome. pROC prints the area 0.7314 and DeLong's plain, not logit, interval 0.6301-0.8326.
    good = _repeated(
        "4*5 5*3 6*2 7*6 8*6 9*6 10*7 11*4 13*3 14*4 15*4 16*3 17*2 18 19*2 24 28 32 33 34 38 43 45 46 47*2 48 50*2"
    )
    poor = _repeated(
        "3 7*3 8 9*2 10*2 11 12 13*2 14 16 22 23 25 26 27 30 32 33 35 41 44*2 48 49 52 56 58 70 71*2 74 77 82 86 96 207"
    )
    labels = [0] * len(good) + [1] * len(poor)
    found = auc([*good, *poor], labels)
    assert (len(good), len(poor)) == (72, 41)
    assert found.area == pytest.approx(0.7314, abs=5e-5)
    assert found.standard_error is not None
    half = norm.ppf(0.975) * found.standard_error
    assert (found.area - half, found.area + half) == pytest.approx((0.6301, 0.8326), abs=5e-5)


def test_golden_logit_interval_by_hand() -> None:
    found = auc([3, 2, 2, 1, 2], [1, 1, 1, 0, 0], confidence=0.9)
    # logit(5/6) = ln 5; the derivative of the logit is 1 / (5/6 * 1/6) = 36/5
    half = norm.ppf(0.95) * np.sqrt(5) / 12 * 36 / 5
    assert found.interval is not None
    assert found.interval.low == pytest.approx(1 / (1 + np.exp(half - np.log(5))))
    assert found.interval.high == pytest.approx(1 / (1 + np.exp(-half - np.log(5))))
    assert found.interval.method == "logit"


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_area_and_average_precision_are_sklearn_s(seed: int) -> None:
    scores, labels = case(seed)
    assert auc(scores, labels).area == pytest.approx(roc_auc_score(labels, scores))
    assert average_precision(scores, labels) == pytest.approx(average_precision_score(labels, scores))


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_flipping_the_sign_mirrors_area_and_interval(seed: int) -> None:
    scores, labels = case(seed)
    there, back = auc(scores, labels), auc(-scores, labels)
    assert back.area == pytest.approx(1 - there.area)
    assert there.interval is not None
    assert back.interval is not None
    assert back.interval.low == pytest.approx(1 - there.interval.high)
    assert back.standard_error == pytest.approx(there.standard_error)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_a_rising_map_of_the_scores_changes_nothing(seed: int) -> None:
    scores, labels = case(seed)
    order = np.random.default_rng(seed).permutation(len(scores))
    assert auc(np.exp(scores[order] / 3), labels[order]).area == pytest.approx(auc(scores, labels).area)


def test_convention_higher_scores_are_more_abnormal() -> None:
    assert auc([0.1, 0.9, 0.2, 0.8], [0, 1, 0, 1]).area == 1
    assert auc([0.9, 0.1, 0.8, 0.2], [0, 1, 0, 1]).area == 0


def test_separated_classes_have_a_one_sided_bound() -> None:
    scores, labels = np.arange(100.0), np.arange(100) >= 40
    found = auc(scores, labels)
    assert found.area == 1
    assert found.interval is not None
    assert found.interval.method == "one_sided"
    # 40 independent pairs: the smallest p with p^40 >= 0.05
    assert found.interval.low == pytest.approx(0.05 ** (1 / 40))
    assert found.interval.high == 1
    assert "one-sided" in found.note
    mirrored = auc(-scores, labels)
    assert mirrored.interval is not None
    assert (mirrored.interval.low, mirrored.interval.high) == pytest.approx((0, 1 - 0.05 ** (1 / 40)))


@pytest.mark.parametrize("k", [1, 5, 60])
def test_the_bound_is_clopper_and_pearson_s(k: int) -> None:
    exact = binomtest(k, k, alternative="greater").proportion_ci(0.95, method="exact").low
    assert separation_bound(k, k + 7, 0.95) == pytest.approx(exact)


def test_constant_scores_have_the_area_of_chance_and_no_interval() -> None:
    found = auc(np.zeros(10), np.arange(10) < 4)
    assert (found.area, found.interval, found.note) == (0.5, None, "all scores are equal")


def test_one_case_in_a_class_gives_no_variance() -> None:
    found = auc([1.0, 2.0, 3.0], [0, 1, 0])
    assert (found.area, found.standard_error, found.interval) == (0.5, None, None)
    assert "one case" in found.note
    separated = auc([1.0, 2.0, 3.0], [0, 0, 1])
    assert separated.interval is not None
    assert separated.interval.low == pytest.approx(0.05)


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1]])
def test_a_missing_class_is_undefined_everywhere(labels: list[int]) -> None:
    scores = [1.0, 2.0, 3.0]
    for measure in (auc, average_precision, roc_curve, delong):
        with pytest.raises(Undefined, match="needs abnormal and normal"):
            measure(scores, labels)
    with pytest.raises(Undefined, match="needs abnormal and normal"):
        sensitivity_at(0.9, scores, labels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_undefined_and_counted(value: float) -> None:
    with pytest.raises(Undefined, match="1 of 3 scores are not finite, the first in row 1"):
        auc([1.0, value, 3.0], [0, 1, 0])


def test_no_case_at_all_is_undefined() -> None:
    with pytest.raises(Undefined):
        auc([], [])


def test_wrong_shapes_and_labels_are_errors_of_the_caller() -> None:
    with pytest.raises(ValueError, match="equally long"):
        auc([1.0, 2.0], [0, 1, 1])
    with pytest.raises(ValueError, match="0/1"):
        auc([1.0, 2.0, 3.0], [0, 1, 2])


def test_text_for_people() -> None:
    # half width 1.960 * sqrt(5) / 12 * 36 / 5 = 2.630 about ln 5 = 1.609: logits -1.020 and 4.239
    assert str(auc([3, 2, 2, 1, 2], [1, 1, 1, 0, 0])) == "0.833 [0.265, 0.986]"
    # two pairs: sqrt(0.05) = 0.224
    assert str(auc([0, 0, 1, 1], [0, 0, 1, 1])) == "1.000 (at least 0.224)"
    assert str(auc([1, 1, 0, 0], [0, 0, 1, 1])) == "0.000 (at most 0.776)"
    assert str(auc([1, 1, 1, 1], [0, 0, 1, 1])) == "0.500 (no interval)"


def test_logit_interval_covers_near_one() -> None:
    # Binormal scores with area 0.97: mean shift sqrt(2) * ppf(0.97). 400 draws of 50 + 50 leave a standard error
    # of about 0.012 at a coverage of 0.94, so 0.90 lies three standard errors below.
    rng = np.random.default_rng(0)
    labels = np.arange(100) < 50
    shift = np.sqrt(2) * norm.ppf(0.97)
    covered = 0
    for _ in range(400):
        interval = auc(rng.normal(size=100) + shift * labels, labels).interval
        assert interval is not None
        covered += interval.low <= 0.97 <= interval.high
    assert covered / 400 > 0.90


def test_sensitivity_at_specificity_by_hand() -> None:
    # ten normal scores 0..9; at specificity 0.9 one may be called abnormal, so 9 and 9.5 are found;
    # at 0.8 two may, and 7.5 is found as well
    normal, abnormal = np.arange(10.0), np.array([7.5, 9.0, 9.5, 3.0])
    labels = np.r_[np.zeros(10), np.ones(4)]
    assert sensitivity_at(0.9, np.r_[normal, abnormal], labels) == 0.5
    assert sensitivity_at(0.8, np.r_[normal, abnormal], labels) == 0.75
    assert sensitivity_at(0.9, np.zeros(14), labels) == 0.0


def test_curve_runs_from_corner_to_corner_and_encloses_the_area() -> None:
    scores, labels = case(5)
    curve = roc_curve(scores, labels)
    assert (curve.false_positive_rate[0], curve.true_positive_rate[0]) == (0, 0)
    assert (curve.false_positive_rate[-1], curve.true_positive_rate[-1]) == (1, 1)
    assert len(curve.thresholds) == len(np.unique(scores)) + 1
    area = np.trapezoid(curve.true_positive_rate, curve.false_positive_rate)
    assert area == pytest.approx(auc(scores, labels).area)
