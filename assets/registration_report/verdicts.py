"""Whether IT-DPR keeps its promises, with the figures that say so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.registration_report.mean_images import SHARPER, UNSEEN
from assets.registration_report.summary import preserved

Row = Mapping[str, Any]

NOTHING = {"note": "it_dpr registered no radiograph"}
NOTHING_COMMON = {"note": "there is no radiograph that it_dpr and every other arm registered"}


@dataclass(frozen=True)
class Verdict:
    """A check's outcome; what could not be measured is not passed, except for lesions that no cohort of files tells."""

    passed: bool
    figures: Mapping[str, Any]


def no_folds(rows: Sequence[Row]) -> Verdict:
    """IT-DPR folds no pixel of the reference lungs on any radiograph that it registered."""
    shares = [row["folded_share"] for row in rows if row["arm"] == "it_dpr"]
    if not shares:
        return Verdict(False, NOTHING)
    return Verdict(max(shares) == 0, {"radiographs": len(shares), "largest_folded_share": max(shares)})


def lesions_preserved(lines: Mapping[str, Mapping[str, float | None]]) -> Verdict:
    """IT-DPR's median lesion keeps area and contrast; passed where no true map is known."""
    if "it_dpr" not in lines:
        return Verdict(False, NOTHING_COMMON)
    ratios = {name: lines["it_dpr"][name] for name in ("lesion_area_ratio", "lesion_contrast_ratio")}
    known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    return Verdict(preserved(ratios) is not False, known or {"note": "no lesion masks with a known true map"})


def sharper_mean(gains: Sequence[Row]) -> Verdict:
    """The mean of normals that were not trained on sharpens from the lungs' box to IT-PR, and again to IT-DPR."""
    lows = {
        f"{line['arm']} over {line['over']}": line["low"]
        for line in gains
        if line["of"] == UNSEEN and (line["arm"], line["over"]) in SHARPER
    }
    if len(lows) < len(SHARPER):
        return Verdict(False, {"note": f"fewer than two {UNSEEN}, so there is no mean to compare"})
    return Verdict(min(lows.values()) > 1, lows)
