"""Where an arm points, as texts for Markdown and HTML."""

from collections.abc import Mapping
from typing import Any

from assets.evaluation.html import MISSING, number
from assets.study.cells import interval, name
from assets.study.localised import MEASURES, PRIORS

Row = Mapping[str, Any]
Cells = tuple[str, ...]

LOCALISATION = (
    "boxes",
    "pointing",
    "over centre",
    "over heat map",
    "over random",
    "CL@0.1",
    "over centre",
    "over heat map",
    "over random",
    "CL@0.3",
    "energy",
    "AUPRO",
)
POINTED = ("arm", "boxes", *LOCALISATION[1:4], *LOCALISATION[5:8])


def pointed_cells(row: Row) -> Cells:
    """Under `POINTED`.

    Args:
        row: of the study's table.
    """
    shown = [
        text
        for measure in MEASURES
        for text in (interval(row, measure), *(_over_prior(row, measure, prior) for prior in PRIORS))
    ]
    return (name(row), number(row.get("boxes"), 0), *shown)


def _over_prior(row: Row, measure: str, prior: str) -> str:
    value, guess = row.get(measure), row.get(f"{measure}_{prior}")
    difference = None if value is None or guess is None else value - guess
    return interval({**row, "found": difference}, "found", f"{measure}_over_{prior}", signed=True)


def localisation_cells(measured: Mapping[str, Row]) -> Cells:
    """Under `LOCALISATION`.

    Args:
        measured: rows of one arm and seed by measure.
    """
    boxes = next((str(row["boxes"]) for row in measured.values()), MISSING)
    pointed = [
        text
        for measure in ("pointing", "cl_10")
        for text in (
            _measure(measured, measure),
            *(_over(measured, measure, guess) for guess in (*PRIORS, "random")),
        )
    ]
    rest = (number(measured[name]["value"]) if name in measured else MISSING for name in ("cl_30", "energy", "aupro"))
    return (boxes, *pointed, *rest)


def _measure(measured: Mapping[str, Row], name: str) -> str:
    row = measured.get(name)
    return interval({**row, "value_low": row["low"], "value_high": row["high"]}, "value") if row else MISSING


def _over(measured: Mapping[str, Row], name: str, guess: str) -> str:
    return interval(measured.get(name, {}), f"{guess}_difference", signed=True)
