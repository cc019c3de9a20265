import numpy as np
import pytest

from assets.charts import history_panels, new_figure, rendered


def test_figures_are_rgb_and_do_not_reach_pyplot() -> None:
    figure = new_figure(3, 2)
    picture = rendered(figure)
    assert picture.shape == (220, 330, 3)
    assert (picture == 255).all()
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []


def test_a_panel_for_each_quantity_in_rows_of_three() -> None:
    history = [{"step": float(i), "a": 1.0 / (i + 1), "b": 2.0, "c": float(i), "d": 0.5} for i in range(40)]
    one, four = history_panels([{"step": row["step"], "a": row["a"]} for row in history]), history_panels(history)
    assert four.shape[1] == pytest.approx(3 * one.shape[1], abs=3)
    assert four.shape[0] > 1.5 * one.shape[0]


def test_missing_and_broken_values_leave_a_gap_only() -> None:
    history = [{"loss": 1.0}, {"loss": float("nan"), "late": 2.0}, {"loss": float("inf")}, {"loss": 0.5}]
    assert history_panels(history).std() > 0
    assert history_panels([{"loss": float("nan")}]).shape[2] == 3


def test_no_history_says_so() -> None:
    assert history_panels([]).std() > 0
    np.testing.assert_array_equal(history_panels([]), history_panels([{"step": 1.0}]))


def test_equal_histories_give_equal_pictures() -> None:
    history = [{"epoch": float(i), "loss": 1.0 / (i + 1)} for i in range(5)]
    np.testing.assert_array_equal(history_panels(history), history_panels(history))
