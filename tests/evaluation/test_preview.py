import numpy as np
import pytest

from assets.evaluation.bootstrap import roc_band
from assets.evaluation.preview import ArmCurve, ForestRow, auc_forest, roc_figure
from assets.evaluation.roc import auc, roc_curve
from assets.pictures import to_png


def arm(label: str, seed: int, banded: bool = False) -> ArmCurve:
    labels = np.arange(80) < 40
    scores = np.random.default_rng(seed).normal(size=80) + labels
    band = roc_band(scores, labels, 100, 0.95, np.random.default_rng(0)) if banded else None
    return ArmCurve(label, roc_curve(scores, labels), auc(scores, labels), band)


def test_roc_figure_grows_by_a_legend_line_an_arm_and_shows_the_band() -> None:
    one, three = roc_figure([arm("a", 0)]), roc_figure([arm("a", 0), arm("b", 1), arm("c", 2)], "title")
    assert one.shape[1] == three.shape[1]
    assert one.shape[0] < three.shape[0]
    banded = roc_figure([arm("a", 0, banded=True)])
    assert banded.shape == one.shape
    # the band's pale blue covers pixels that were white
    assert ((banded < 255).any(axis=-1)).sum() > ((one < 255).any(axis=-1)).sum() + 2000
    with pytest.raises(ValueError, match="at least one arm"):
        roc_figure([])


def test_more_arms_than_colors_differ_by_dashes() -> None:
    figure = roc_figure([arm(f"arm {i}", i) for i in range(9)])
    assert len(to_png(figure)) < 100_000


def test_forest_has_a_line_for_every_row_even_without_area() -> None:
    labels = np.arange(20) < 10
    rows = [
        ForestRow("plain", auc(np.random.default_rng(0).normal(size=20), labels)),
        ForestRow("separated", auc(labels.astype(float), labels)),
        ForestRow("reversed", auc(-labels.astype(float), labels)),
        ForestRow("constant", auc(np.zeros(20), labels)),
        ForestRow("undefined", None),
        ForestRow("lung area", auc(np.random.default_rng(1).normal(size=20), labels), shortcut=True),
    ]
    picture, shorter = auc_forest(rows, "title"), auc_forest(rows[:-1])
    assert picture.shape[0] > shorter.shape[0]
    assert auc_forest(rows[4:5]).std() > 0
    with pytest.raises(ValueError, match="at least one arm"):
        auc_forest([])


def test_equal_data_give_equal_bytes() -> None:
    assert to_png(roc_figure([arm("a", 0)])) == to_png(roc_figure([arm("a", 0)]))
