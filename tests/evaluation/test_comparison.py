import numpy as np
import pytest
from scipy.stats import norm

from assets.evaluation.comparison import paired_bootstrap, paired_delong
from assets.evaluation.roc import Undefined


def test_paired_delong_equals_the_pairwise_definition() -> None:
    rng = np.random.default_rng(1)
    labels = np.arange(30) < 13
    first, second = rng.normal(size=30) + labels, rng.integers(0, 4, 30) + labels
    # the difference of the two kernels is itself a kernel, whose row and column means vary as its area does
    kernels = [(s[labels][:, None] > s[~labels]) + 0.5 * (s[labels][:, None] == s[~labels]) for s in (first, second)]
    gap = kernels[0] - kernels[1]
    error = np.sqrt(gap.mean(axis=1).var(ddof=1) / 13 + gap.mean(axis=0).var(ddof=1) / 17)
    found = paired_delong(first, second, labels)
    assert found.difference == pytest.approx(gap.mean())
    assert found.p_value == pytest.approx(2 * norm.sf(abs(gap.mean()) / error))
    assert (found.low, found.high) == pytest.approx((gap.mean() - 1.959964 * error, gap.mean() + 1.959964 * error))


def test_exchanging_the_arms_flips_the_sign() -> None:
    rng = np.random.default_rng(2)
    labels = np.arange(60) < 30
    first, second = rng.normal(size=60) + labels, rng.normal(size=60)
    there, back = paired_delong(first, second, labels), paired_delong(second, first, labels)
    assert (back.difference, back.low, back.high) == pytest.approx((-there.difference, -there.high, -there.low))
    assert back.p_value == pytest.approx(there.p_value)


def test_equal_rankings_do_not_differ() -> None:
    scores, labels = np.random.default_rng(3).normal(size=40), np.arange(40) < 20
    found = paired_delong(scores, np.exp(scores), labels)
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_what_has_no_variance_is_undefined() -> None:
    scores, labels = np.arange(10.0), np.arange(10) >= 5
    with pytest.raises(Undefined, match="neither varies"):
        paired_delong(scores, -scores, labels)
    with pytest.raises(Undefined, match="one patient"):
        paired_delong([1.0, 2, 3], [3.0, 2, 1], [0, 0, 1])
    with pytest.raises(Undefined, match="not finite"):
        paired_delong([1.0, np.nan, 3, 4], [3.0, 2, 1, 0], [0, 0, 1, 1])


def test_level_of_the_test_under_no_difference() -> None:
    # two arms of equal skill on the same patients: p < 0.05 in 5 % of the draws; 300 draws leave a standard error
    # of 0.0126, so four of them reach 0.10
    rng = np.random.default_rng(4)
    labels = np.arange(120) < 60
    rejected = 0
    for _ in range(300):
        common = rng.normal(size=120) + labels
        found = paired_delong(common + rng.normal(size=120), common + rng.normal(size=120), labels)
        assert found.p_value is not None
        rejected += found.p_value < 0.05
    assert 0.005 < rejected / 300 < 0.10


def test_bootstrap_and_delong_agree() -> None:
    rng = np.random.default_rng(5)
    labels = np.arange(160) < 80
    common = rng.normal(size=160)
    first, second = common + 1.5 * labels, common + rng.normal(size=160) + 0.5 * labels
    exact, sampled = paired_delong(first, second, labels), paired_bootstrap(first, second, labels, 1000, rng)
    assert sampled.difference == pytest.approx(exact.difference)
    assert (sampled.low, sampled.high) == pytest.approx((exact.low, exact.high), abs=0.02)
    assert sampled.p_value is None
