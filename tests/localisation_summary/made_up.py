"""Rows of the localisation stage as they would come from a cohort whose truth is chosen here."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from assets.tables.localisation import LOCALISATION

Row = dict[str, Any]
WHOLE = {"x": 0.0, "y": 0.0, "width": 10.0, "height": 10.0}
BESIDE = {"x": 50.0, "y": 50.0, "width": 10.0, "height": 10.0}


def table_of(rows: Sequence[Row]) -> pa.Table:
    names = LOCALISATION.names
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows], schema=LOCALISATION)


def measured(arm: str, number: int, *, hit: bool = True, seed: int = 0, **other: Any) -> Row:  # noqa: ANN401
    """An abnormal test radiograph of a patient of its own, with one box that the arm's one detection finds or not."""
    overlap = 1.0 if hit else 0.0
    found = {**(WHOLE if hit else BESIDE), "score": 1.0 + number / 100}
    return {
        **_row(arm, number, seed),
        "domain": "abnormal",
        "truth": "boxes",
        "boxes": [{**WHOLE, "kind": ""}],
        "surest": found,
        "detections": [found],
        "iou": [overlap],
        "iou_any": [overlap],
        "iobb": [overlap],
        "pointing": overlap,
        "energy": 0.5 if hit else 0.05,
        "area_share": 0.1,
        "contrast": 1.0,
        "box_pixel_auc": 0.9,
        **other,
    }


def normal(arm: str, number: int, *, false: int = 0, seed: int = 0, **other: Any) -> Row:  # noqa: ANN401
    """A normal test radiograph on which the arm detects something so many times."""
    detections = [{**WHOLE, "score": 0.5 + count / 10} for count in range(false)]
    return {
        **_row(arm, number, seed),
        "domain": "normal",
        "truth": "normal",
        "boxes": [],
        "detections": detections,
    } | other


def _row(arm: str, number: int, seed: int) -> Row:
    return {
        "radiograph_id": f"{number:032x}",
        "patient": f"{number:024x}",
        "split": "test",
        "status": "ok",
        "reason": "",
        "arm": arm,
        "alignment": None if arm.startswith("chance/") else arm.partition("/")[0],
        "method": arm.partition("/")[2],
        "seed": seed,
        "smoothness": 3.0,
    }
