import numpy as np
import pyarrow as pa
import pytest

from assets.evaluation.roc import auc
from assets.shortcuts.audit import Found
from assets.shortcuts.rows import strongest, table_rows
from assets.tables.scores import SHORTCUTS

LABELS = np.arange(20) % 2 == 1
STRONG = auc(np.arange(20) + 30 * LABELS * (np.arange(20) > 3), LABELS)
WEAK = auc(np.arange(20), LABELS)
FOUND = [
    Found("border", "supervised", WEAK, 10, 10, 40),
    Found("size", "plain", auc(-np.arange(20) - 30 * LABELS * (np.arange(20) > 3), LABELS), 10, 10),
    Found("view", "supervised", None, 0, 0, reason="view is not recorded in this cohort"),
    Found("same", "plain", auc(np.ones(20), LABELS), 10, 10, reason="all scores are equal"),
]


def test_rows_fill_the_table() -> None:
    rows = table_rows(FOUND)
    table = pa.Table.from_pylist(rows, schema=SHORTCUTS)
    assert set(rows[0]) == set(SHORTCUTS.names)
    assert table["status"].to_pylist() == ["ok", "ok", "rejected", "ok"]
    assert table["fitted_on"].to_pylist() == [40, None, None, None]
    assert table["auc"].to_pylist() == [WEAK.area, pytest.approx(1 - STRONG.area), None, 0.5]
    assert table["strength"].to_pylist() == [WEAK.area, pytest.approx(STRONG.area), None, 0.5]
    assert table["se"][0].as_py() == WEAK.standard_error
    assert table["low"].null_count == 2
    assert len(set(table["key"].to_pylist())) == 4


def test_equal_figures_have_equal_keys_and_others_have_not() -> None:
    again, other = table_rows(FOUND), table_rows([Found("border", "supervised", STRONG, 10, 10, 40)])
    assert [row["key"] for row in again] == [row["key"] for row in table_rows(FOUND)]
    assert other[0]["key"] != again[0]["key"]


def test_the_strongest_may_point_either_way() -> None:
    rows = table_rows(FOUND)
    best = strongest(rows)
    assert best is not None
    assert best["name"] == "size"
    assert strongest([rows[2]]) is None
    assert strongest([]) is None
    first = strongest([{**rows[0], "name": "other"}, rows[0]])
    assert first is not None
    assert first["name"] == "other"
