from typing import Any

import pytest

from assets.registration_report.summary import arm_line, arm_lines, arm_table, preserved, rounded


def row(arm: str, **columns: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"arm": arm, **columns}


def test_means_medians_and_largest() -> None:
    rows = [row("it_pr", dice=d, ms=m, peak_mib=p) for d, m, p in ((0.9, 1, 5), (0.8, 100, 7), (0.7, 3, 6))]
    line = arm_line(rows)
    assert line["dice"] == pytest.approx(0.8)
    assert (line["ms"], line["peak_mib"]) == (3, 7)


def test_rows_that_do_not_know_are_left_out_and_none_is_none() -> None:
    line = arm_line([row("none", landmark_px_mean=2.0), row("none", landmark_px_mean=None)])
    assert (line["landmark_px_mean"], line["lesion_area_ratio"]) == (2.0, None)


def test_spread_of_the_lesions_and_mean_of_the_percentiles() -> None:
    # percentiles by linear interpolation: 0.5 + 0.1 * (1.5 - 0.5) and 0.5 + 0.9 * (1.5 - 0.5)
    rows = [row("it_pr", lesion_area_ratio=0.5 + k / 10, landmark_px_p90=k) for k in range(11)]
    line = arm_line(rows)
    ratios = [line[f"lesion_area_ratio{end}"] for end in ("_p10", "", "_p90")]
    assert ratios == pytest.approx([0.6, 1.0, 1.4])
    assert line["landmark_px_p90_mean"] == 5
    assert "landmark_px_p90" not in line


def test_an_arm_that_registered_nothing_keeps_its_place_without_figures() -> None:
    lines = arm_lines([row("none", dice=0.5)])
    rows = arm_table({"none": 3, "it_dpr": 0}, 4, {"it_dpr": 900}, lines)
    assert [(each["arm"], each["registered"], each["asked"], each["steps"], each["dice"]) for each in rows] == [
        ("none", 3, 4, None, 0.5),
        ("it_dpr", 0, 4, 900, None),
    ]
    assert list(rows[0]) == list(rows[1])


def test_arms_keep_their_order() -> None:
    rows = [row("none", dice=0.1), row("it_dpr", dice=0.9), row("affine", dice=0.5), row("none", dice=0.3)]
    lines = arm_lines(rows)
    assert list(lines) == ["none", "it_dpr", "affine"]
    assert lines["none"]["dice"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("area", "contrast", "kept"),
    [
        (1.0, 1.0, True),
        (0.97, 1.03, True),
        (0.96, 1.0, False),
        (1.0, 1.04, False),
        (1.0, None, True),
        (None, None, None),
    ],
)
def test_a_lesion_is_preserved_within_three_percent(area: float | None, contrast: float | None, kept: bool) -> None:
    assert preserved({"lesion_area_ratio": area, "lesion_contrast_ratio": contrast}) is kept


def test_floats_are_shown_with_four_digits_and_nothing_else_is_changed() -> None:
    shown = rounded([{"arm": "it_pr", "steps": 12345, "dice": 0.98765432, "ms": None, "area": 1234.56}])
    assert shown == [{"arm": "it_pr", "steps": 12345, "dice": 0.9877, "ms": None, "area": 1235.0}]
