"""Cells of a cohort's table as values; what cannot be read is a problem in words, never an exception."""

import json
import math
import re

Box = tuple[float, float, float, float, str]

ASPECT_LOW, ASPECT_HIGH = 0.2, 5.0
BOX_PROBLEM = (
    "boxes cannot be read; expected a JSON list of [x, y, width, height] or [x, y, width, height, class] "
    "with a positive width and height"
)


def text_of(cell: object) -> str | None:
    """Text of a cell without the blanks around it; None where empty or NaN."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return None
    return str(cell).strip() or None


def parse_boxes(cell: object) -> tuple[tuple[Box, ...], str | None]:
    """Boxes (x, y, width, height, class) of a JSON or list cell, and the problem if it cannot be read."""
    if not isinstance(cell, list):
        text = text_of(cell)
        if text is None:
            return (), None
        try:
            cell = json.loads(text)
        except ValueError:
            return (), BOX_PROBLEM
    if not isinstance(cell, list):
        return (), BOX_PROBLEM
    boxes = [_box(item) for item in cell]
    if any(box is None for box in boxes):
        return (), BOX_PROBLEM
    return tuple(box for box in boxes if box is not None), None


def _box(item: object) -> Box | None:
    if not isinstance(item, list | tuple) or len(item) not in (4, 5):
        return None
    try:
        x, y, width, height = (float(value) for value in item[:4])
    except (TypeError, ValueError):
        return None
    if not (all(map(math.isfinite, (x, y, width, height))) and width > 0 and height > 0):
        return None
    return x, y, width, height, str(item[4]) if len(item) == 5 else ""


def parse_sex(cell: object) -> str | None:
    """M or F from M, F, male or female in any case; None for anything else."""
    return {"m": "M", "male": "M", "f": "F", "female": "F"}.get((text_of(cell) or "").lower())


def parse_age(cell: object) -> float | None:
    """Years from a number or a DICOM age such as 045Y; None for anything else, and outside 0 to 120."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([DWMY]?)", (text_of(cell) or "").upper())
    if match is None:
        return None
    years = float(match[1]) / {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0, "": 1.0}[match[2]]
    return years if years <= 120 else None


def parse_aspect(cell: object) -> tuple[float | None, str | None]:
    """Width / height of a cell, None where empty, and the problem if it is no such number."""
    text = text_of(cell)
    if text is None:
        return None, None
    try:
        aspect = float(text)
    except ValueError:
        aspect = math.nan
    if ASPECT_LOW <= aspect <= ASPECT_HIGH:
        return aspect, None
    return None, f"true_aspect_wh is no number from {ASPECT_LOW:g} to {ASPECT_HIGH:g}; correct it or leave it empty"
