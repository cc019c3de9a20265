from typing import Any

import numpy as np
import pytest

from assets.images import F32
from assets.leaks.preview import leak_chart, mask_sheet
from assets.leaks.settings import Variant
from tests.leaks.leak_scenes import SIDE, U8, phantom


def row(
    variant: str, scorer: str, auc: float | None, p: float | None = None, spread: float | None = 0.1
) -> dict[str, Any]:
    ends = (None, None) if auc is None or spread is None else (auc - spread, auc + spread)
    return {"variant": variant, "scorer": scorer, "auc": auc, "low": ends[0], "high": ends[1], "p": p}


ROWS = [row("used", "pca_mean", 0.8), row("convex", "pca_mean", 0.7, 0.2), row("used", "field_mean", 0.6, spread=None)]


def test_a_dot_is_filled_where_it_differs_from_the_masks_in_use() -> None:
    plain, marked = (leak_chart([*ROWS, row("convex", "field_mean", 0.5, p)]) for p in (0.2, 0.01))
    assert plain.shape == marked.shape
    assert not np.array_equal(plain, marked)


def test_what_is_undefined_is_not_drawn() -> None:
    undefined = [row("pbtseg", "", None), row("convex", "field_mean", None)]
    assert np.array_equal(leak_chart([*ROWS, *undefined]), leak_chart(ROWS))
    with pytest.raises(ValueError, match="at least one area"):
        leak_chart(undefined)


def seen(index: int, *variants: Variant) -> dict[Variant, tuple[F32, U8, F32]]:
    drawn = phantom(index)
    return {name: (drawn.image, drawn.lungs, drawn.image[:48, :48]) for name in variants}


def test_a_column_a_variant_and_two_rows_a_radiograph() -> None:
    one = mask_sheet([seen(1, "used", "convex")], 64)
    two = mask_sheet([seen(1, "used", "convex"), seen(2, "used", "convex")], 64)
    wide = mask_sheet([seen(1, "used", "convex", "exact")], 64)
    assert one.shape[0] > 2 * 64
    assert two.shape[0] - one.shape[0] > 2 * 64
    assert wide.shape[1] - one.shape[1] >= 64
    assert SIDE > 64


def test_sheets_need_the_same_variants_of_every_radiograph() -> None:
    with pytest.raises(ValueError, match="the same variants"):
        mask_sheet([])
    with pytest.raises(ValueError, match="the same variants"):
        mask_sheet([seen(1, "used", "convex"), seen(2, "used")])
