import numpy as np
import pytest

from assets.localisation.preview import Shown, localisation_sheet
from assets.localisation_summary.preview import froc_chart, localisation_chart
from assets.localisation_summary.settings import SummarySettings
from assets.localisation_summary.summary import summary_rows
from tests.localisation_summary.made_up import Row, measured, normal, table_of


def rows(arms: int = 2) -> list[Row]:
    made = [measured(f"it_pr/arm{arm}", number, hit=number > arm) for arm in range(arms) for number in range(6)]
    made += [measured("chance/centre", number, hit=number > 4) for number in range(6)]
    made += [normal(arm, 9) for arm in {row["arm"] for row in made}]
    return summary_rows(table_of(made), SummarySettings(resamples=100))


def inked(picture: np.ndarray) -> int:
    return int((picture < 128).any(axis=2).sum())


def test_the_chart_has_a_line_an_arm() -> None:
    arms = [row for row in rows() if not row["arm"].startswith("chance/")]
    chart, taller = localisation_chart(arms), localisation_chart([row for row in rows(6) if "arm" in row["arm"]])
    assert chart.dtype == np.uint8
    assert taller.shape[0] > chart.shape[0]
    assert inked(chart) > 1000
    without = [{**row, "centre": None} for row in arms]
    assert inked(localisation_chart(without)) < inked(chart)
    with pytest.raises(ValueError, match="at least one arm"):
        localisation_chart([])


def test_the_free_response_chart_draws_arms_and_guesses() -> None:
    both = rows()
    alone = [row for row in both if row["arm"] == "it_pr/arm0"]
    assert inked(froc_chart(both)) > inked(froc_chart(alone)) > 500


def test_the_sheet_shows_what_was_drawn_and_the_surest_region() -> None:
    side = 64
    lungs = np.ones((side, side), np.bool_)
    image, heat = np.full((side, side), 0.2, np.float32), np.zeros((side, side), np.float32)
    heat[20:30, 20:30] = 1.0
    boxes, found = np.array([[18.0, 18, 14, 14]]), np.array([[20.0, 20, 10, 10]])
    one = Shown(image, heat, lungs, boxes, found, "hit 1")
    page = localisation_sheet([one], 2.0, side=128)
    assert page.shape[1] > 256
    green = (page == (0, 210, 140)).all(axis=2)
    white = (page[:128] == 255).all(axis=2)
    assert green.any()
    # Both tiles show the box, only the map shows the region.
    half = page.shape[1] // 2
    assert green[:, :half].any()
    assert green[:, half:].any()
    assert white[:, half:].any()
    three = localisation_sheet([one] * 4, 2.0, side=128)
    assert three.shape[0] > page.shape[0]
    with pytest.raises(ValueError, match="tile"):
        localisation_sheet([], 2.0)
