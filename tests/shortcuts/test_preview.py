from typing import Any

import numpy as np
import pytest

from assets.shortcuts.preview import shortcut_bars


def row(name: str, auc: float | None, spread: float | None = 0.1, kind: str = "supervised") -> dict[str, Any]:
    ends = (None, None) if auc is None or spread is None else (auc - spread, auc + spread)
    strength = None if auc is None else auc if kind == "supervised" else max(auc, 1 - auc)
    return {
        "name": name,
        "kind": kind,
        "auc": auc,
        "low": ends[0],
        "high": ends[1],
        "strength": strength,
        "positives": 20,
        "negatives": 30,
    }


ROWS = [row("border", 0.8), row("lung_area", 0.3, kind="plain"), row("aspect", 0.5, None), row("view", None)]


def test_a_line_a_shortcut() -> None:
    picture = shortcut_bars(ROWS, 0.7)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert shortcut_bars(ROWS * 3, 0.7).shape[0] > picture.shape[0]


def test_the_order_given_does_not_matter() -> None:
    assert np.array_equal(shortcut_bars(ROWS, 0.7), shortcut_bars(ROWS[::-1], 0.7))


def test_the_limit_is_drawn() -> None:
    assert not np.array_equal(shortcut_bars(ROWS, 0.7), shortcut_bars(ROWS, 0.9))


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="at least one"):
        shortcut_bars([], 0.7)
