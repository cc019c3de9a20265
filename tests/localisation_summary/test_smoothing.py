import pytest

from assets.localisation_summary.settings import SummarySettings
from assets.localisation_summary.smoothing import FEWEST, at_chosen_sigma
from assets.localisation_summary.summary import summary_rows
from tests.localisation_summary.made_up import Row, measured, normal, table_of

ARM, OTHER, CENTRE = "it_dpr/cut", "none/cut", "chance/centre"
WIDTHS = (2.0, 8.0, 16.0)
FOUND = {"x": 5.0, "y": 5.0, "width": 4.0, "height": 4.0, "score": 2.0}


def tried(hits: tuple[bool, ...]) -> list[Row]:
    """The surest region by width, on the box or beside it."""
    found: list[Row] = []
    for sigma, hit in zip(WIDTHS, hits, strict=True):
        overlaps = {"iou": [float(hit)], "iobb": [float(hit)], "iou_by_share": [[float(hit)] * 9]}
        found.append({"sigma": sigma, "surest": {**FOUND, "x": sigma}, **overlaps})
    return found


def radiograph(arm: str, number: int, hits: tuple[bool, ...], split: str = "validation") -> Row:
    by_sigma = tried(hits)
    first = {name: value for name, value in by_sigma[0].items() if name != "sigma"}
    return {**measured(arm, number, hit=hits[0]), **first, "by_sigma": by_sigma, "split": split}


def of(arm: str, share: tuple[int, ...], count: int = FEWEST, first: int = 0) -> list[Row]:
    """Validation radiographs of which so many are found at each width."""
    return [radiograph(arm, first + at, tuple(at < each for each in share)) for at in range(count)]


def chosen(rows: list[Row]) -> dict[str, float]:
    return at_chosen_sigma(table_of(rows))[1]


def test_each_method_has_the_width_that_finds_most_boxes_of_validation() -> None:
    rows = [*of(ARM, (1, 5, 4)), *of(CENTRE, (2, 1, 3)), *of("none/pca", (3, 2, 1))]
    assert chosen(rows) == {"cut": 8.0, "centre": 16.0, "pca": 2.0}


def test_all_frames_and_seeds_of_a_method_decide_together() -> None:
    seeded = [{**row, "seed": 1} for row in of(OTHER, (0, 1, 5))]
    assert chosen([*of(ARM, (1, 4, 2)), *of(OTHER, (1, 4, 2))]) == {"cut": 8.0}
    assert chosen([*of(ARM, (1, 4, 2)), *of(OTHER, (1, 2, 2)), *seeded]) == {"cut": 16.0}


def test_of_equal_widths_the_first_is_taken_though_it_is_not_the_narrowest() -> None:
    assert chosen(of(ARM, (3, 3, 2))) == {"cut": 2.0}
    turned = [{**row, "by_sigma": row["by_sigma"][::-1]} for row in of(ARM, (3, 3, 3))]
    assert chosen(turned) == {"cut": 16.0}


def test_too_few_validation_radiographs_with_findings_and_those_of_test_decide_nothing() -> None:
    few = of(ARM, (0, FEWEST - 1, 0), FEWEST - 1)
    assert chosen(few) == {"cut": 2.0}
    test = [radiograph(ARM, 50 + number, (False, False, True), "test") for number in range(FEWEST)]
    healthy = [{**normal(ARM, 90 + number), "split": "validation"} for number in range(FEWEST)]
    assert chosen([*few, *test, *healthy]) == {"cut": 2.0}
    # The same radiograph by two arms is one radiograph.
    assert chosen([*few, *of(OTHER, (0, 3, 0), FEWEST - 1)]) == {"cut": 2.0}
    aside = [{**row, "status": "rejected"} for row in of(ARM, (0, 1, 0), 1, first=70)]
    assert chosen([*few, *aside]) == {"cut": 2.0}


def test_rows_of_test_are_told_at_the_chosen_width() -> None:
    test = [radiograph(ARM, 50 + number, (number == 0, number < 3, False), "test") for number in range(4)]
    rows = [*of(ARM, (0, 5, 0)), *test, normal(ARM, 80, false=1)]
    table, _ = at_chosen_sigma(table_of(rows))
    assert table.schema.equals(table_of(rows).schema)
    assert table.num_rows == len(rows)
    picked = {row["radiograph_id"]: row for row in table.to_pylist()}
    for row in test:
        found = picked[row["radiograph_id"]]
        for name in ("surest", "iou", "iobb", "iou_by_share"):
            assert found[name] == row["by_sigma"][1][name]
        assert found["detections"] == row["detections"]
    before, after = (
        {row["measure"]: row["value"] for row in summary_rows(each, SummarySettings(resamples=100))}
        for each in (table_of(rows), table)
    )
    assert (before["cl_10"], after["cl_10"], after["cl_10_area"]) == (0.25, 0.75, pytest.approx(0.75))
    assert before["false_positives"] == after["false_positives"]


def test_rows_without_widths_stay_as_they_are() -> None:
    rows = table_of([measured(ARM, 1), normal(ARM, 2)])
    assert at_chosen_sigma(rows) == (rows, {})
    older = rows.drop_columns(["by_sigma"])
    assert at_chosen_sigma(older) == (older, {})
    nothing = table_of([])
    assert at_chosen_sigma(nothing) == (nothing, {})
