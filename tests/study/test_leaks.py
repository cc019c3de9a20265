from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import norm

from assets.evaluation.settings import EvaluationSettings
from assets.study.analysis import analysed
from assets.study.leaks import pooled_leaks
from assets.study.member import Member
from assets.study.report import Shown, render_study
from assets.study.rows import study_rows
from tests.study.made_up import members, study

Z = norm.ppf(0.975)


def row(variant: str, area: float | None, difference: float | None = None, **columns: object) -> dict[str, Any]:
    ends = (None, None) if difference is None else (difference - Z * 0.02, difference + Z * 0.02)
    told = {"variant": variant, "scorer": "pca", "auc": area, "se": 0.03, "positives": 10, "negatives": 20}
    return {**told, "difference": difference, "difference_low": ends[0], "difference_high": ends[1], **columns}


def test_folds_are_weighted_by_their_pairs() -> None:
    folds = [
        Member("a", leaks=[row("used", 0.8), row("convex", 0.9, 0.1)]),
        Member("b", leaks=[row("used", 0.6, positives=20), row("convex", 0.6, 0.0, positives=20)]),
    ]
    used, convex = pooled_leaks(folds, 0.95)
    assert used.auc.area == pytest.approx((0.8 + 2 * 0.6) / 3)
    assert used.auc.standard_error == pytest.approx(np.hypot(0.03, 2 * 0.03) / 3)
    assert (used.auc.positives, used.auc.negatives, used.folds) == (30, 40, 2)
    assert used.difference is None
    error = np.hypot(0.02, 2 * 0.02) / 3
    assert convex.difference is not None
    assert (convex.difference.difference, convex.difference.low) == pytest.approx((0.1 / 3, 0.1 / 3 - Z * error))
    assert convex.difference.p_value == pytest.approx(2 * norm.sf(0.1 / 3 / error))


def test_what_is_undefined_is_left_out_and_what_has_no_error_has_no_interval() -> None:
    folds = [Member("a", leaks=[row("used", None), row("exact", 1.0, se=0.0)]), Member("b", "not begun")]
    (exact,) = pooled_leaks(folds, 0.95)
    assert (exact.variant, exact.auc.interval) == ("exact", None)
    (unknown,) = pooled_leaks([Member("a", leaks=[row("used", 0.7, se=None)])], 0.95)
    assert (unknown.auc.standard_error, unknown.auc.interval) == (None, None)
    assert pooled_leaks([], 0.95) == []


def test_equal_scores_differ_by_nothing() -> None:
    same = {"difference": 0.0, "difference_low": 0.0, "difference_high": 0.0}
    (found,) = pooled_leaks([Member("a", leaks=[row("convex", 0.7, **same)])], 0.95)
    assert found.difference is not None
    assert (found.difference.difference, found.difference.low, found.difference.p_value) == (0, 0, None)


def test_the_report_shows_them() -> None:
    found = members(study())
    folds = [replace(each, leaks=[row("used", 0.8), row("convex", 0.9, 0.1)]) for each in found["gan"]]
    analysis = analysed(study(), {**found, "gan": folds}, EvaluationSettings())
    text = render_study(analysis, study_rows(analysis), Shown(""))
    assert "Leak control" in text
    assert "convex" in text
    assert "+0.100 [+0.072, +0.128]" in text
