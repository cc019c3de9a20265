from typing import Any

import pytest

from assets.segmentation.dice_table import DICE_COLUMNS, METHODS, dice_table
from resources.dagster_shapes import table


def row(trained: tuple[float | None, float | None], pbtseg: tuple[float | None, float | None], **where: str) -> Any:  # noqa: ANN401 (a manifest row)
    found = {"trained": trained, "pbtseg": pbtseg}
    dice = {f"dice_{name}_{side}": found[name][i] for name in METHODS for i, side in enumerate(("right", "left"))}
    return {"cohort": "shenzhen", "label": "normal", "split": "test", **where, **dice}


def test_means_percentile_and_share_by_hand() -> None:
    # The worse lungs are .9, .8 and .7; a twentieth of the way up from the lowest of three is a tenth of a step.
    rows = [row((0.9, 1.0), (None, None)), row((0.8, 0.96), (None, None)), row((1.0, 0.7), (None, None))]
    assert dice_table(rows) == [
        {
            "method": "trained",
            "cohort": "shenzhen",
            "label": "normal",
            "split": "test",
            "rows": 3,
            "mean_right": 0.9,
            "mean_left": pytest.approx(0.8867),
            "p5_worse_lung": pytest.approx(0.71),
            "share_below_0.85": pytest.approx(0.6667),
        }
    ]


def test_a_lung_at_the_limit_is_not_poor_and_a_lung_not_found_is() -> None:
    rows = [row((0.85, 0.85), (0.0, 0.95))]
    trained, pbtseg = dice_table(rows)
    assert trained["share_below_0.85"] == 0
    assert (pbtseg["share_below_0.85"], pbtseg["p5_worse_lung"], pbtseg["mean_left"]) == (1, 0, 0.95)


def test_one_record_a_method_cohort_label_and_split_in_reading_order() -> None:
    full = ((0.9, 0.9), (0.8, 0.8))
    rows = [
        row(*full, split="test"),
        row(*full, split="train"),
        row(*full, split="validation"),
        row(*full, label="tuberculosis"),
        row(*full, cohort="quex"),
        row(*full, cohort="quex"),
    ]
    records = dice_table(rows)
    order = [
        ("quex", "normal", "test", 2),
        ("shenzhen", "normal", "train", 1),
        ("shenzhen", "normal", "validation", 1),
        ("shenzhen", "normal", "test", 1),
        ("shenzhen", "tuberculosis", "test", 1),
    ]
    places = [(record["cohort"], record["label"], record["split"], record["rows"]) for record in records]
    assert places == order * 2
    assert [record["method"] for record in records] == ["trained"] * 5 + ["pbtseg"] * 5


def test_rows_without_a_supplied_mask_do_not_count() -> None:
    assert dice_table([]) == []
    assert dice_table([row((None, None), (None, None))]) == []
    (only,) = dice_table([row((None, None), (0.9, 0.8)), row((None, None), (None, None))])
    assert (only["method"], only["rows"]) == ("pbtseg", 1)


def test_the_records_fill_a_table_of_dagster() -> None:
    records = dice_table([row((0.9, 0.8), (0.7, 0.6))])
    assert [list(record) for record in records] == [list(DICE_COLUMNS)] * 2
    shown = table(records, DICE_COLUMNS)
    assert shown.records[0].data == records[0]
