"""Sections of a study's report that stand behind its tables: shortcuts, leaks, localisation, images, fold cohorts."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from assets.evaluation.html import MISSING, number, p_value, paragraph, percent, table
from assets.study.analysis import Analysis
from assets.study.cells_localised import LOCALISATION, localisation_cells
from assets.study.entries import ALL
from assets.study.localised import arms_only
from assets.study.markdown import not_localised

Row = Mapping[str, Any]
LEAKS = (
    "The same patients aligned by other masks, and scores of the warp alone: what an area owes to masks that follow "
    "the lesion. Everything is fitted anew on training normals; no translator takes part unless it is the scorer."
)
GUESSES = (
    "On findings that are drawn. Pointing: the map's highest point lies in a box. CL: share of boxes that the surest "
    "detection overlaps by so much or more. Over centre: what it adds to always pointing at the centre of the lungs; "
    "over heat map: to where training boxes lie; over random: to random maps as smooth as the arm's. Intervals are of "
    "resampled patients. Energy: share of the map in the boxes."
)


def shortcuts_section(analysis: Analysis) -> str:
    """Shortcuts of every protocol, over its folds."""
    rows = [
        (
            protocol,
            item.name,
            item.kind,
            f"undefined: {item.reason}" if item.auc is None else str(item.auc),
            number(item.strength),
            "-" if item.auc is None else f"{item.auc.negatives} / {item.auc.positives}",
        )
        for protocol, shortcuts in analysis.shortcuts.items()
        for item in shortcuts
    ]
    area = f"AUC [{percent(analysis.settings.confidence)}]"
    head = ("protocol", "shortcut", "kind", area, "as a model would use it", "normal / abnormal")
    shown = table(head, rows, text=3)
    return shown and paragraph("What sees no disease, out of fold on the test patients of whom it is known.") + shown


def leaks_section(analysis: Analysis) -> str:
    """Leak controls of every protocol, over its folds."""
    rows = []
    for protocol, leaks in analysis.leaks.items():
        for leak in leaks:
            found = leak.difference
            difference = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]" if found else MISSING
            p = p_value(found.p_value) if found else MISSING
            rows.append((protocol, leak.variant, leak.scorer, str(leak.auc), difference, p, str(leak.folds)))
    area = f"AUC [{percent(analysis.settings.confidence)}]"
    head = ("protocol", "masks", "scorer", area, "difference to the masks in use", "p", "folds")
    shown = table(head, rows, text=3)
    return shown and paragraph(LEAKS) + shown


def localisation_section(analysis: Analysis) -> str:
    """Where every arm points, beside guesses, by protocol and seed."""
    rows = []
    for protocol, found in analysis.localisation.items():
        by_arm: dict[tuple[str, int | str], dict[str, Row]] = {}
        for row in arms_only(found.rows):
            by_arm.setdefault((row["arm"], row["seed"]), {})[row["measure"]] = row
        rows += [
            (protocol, f"{arm}, {'mean of seeds' if seed == ALL else f'seed {seed}'}", *localisation_cells(measured))
            for (arm, seed), measured in by_arm.items()
        ]
    shown = table(("protocol", "arm", *LOCALISATION), rows, text=2)
    told = [why for protocol in analysis.localisation for why in not_localised(analysis, protocol)]
    left_out = "".join(paragraph(f"Left out: {why}.") for why in told)
    return shown and paragraph(GUESSES) + shown + left_out


def images_section(analysis: Analysis) -> str:
    """Test radiographs scored and set aside, by class."""
    rows = []
    for protocol in analysis.study.protocols:
        members = analysis.members[protocol.name]
        tested: Counter[str] = Counter()
        for member in members:
            tested.update(member.tested)
        rows += [(protocol.name, "scored", domain, str(count)) for domain, count in sorted(tested.items())]
        aside: Counter[tuple[str, str]] = Counter()
        for item in (item for member in members for item in member.aside):
            aside[f"{item.stage} {item.alignment}".rstrip(), item.domain] += item.count
        rows += [(protocol.name, f"set aside by {stage}", domain, str(n)) for (stage, domain), n in aside.items()]
    return table(("protocol", "test radiographs", "class", "number"), rows, text=3)


def members_section(analysis: Analysis) -> str:
    """Fold cohorts, and why some do not count."""
    rows = [
        (protocol.name, member.cohort, str(len(member.arms)), member.problem or "; ".join(member.left_out) or MISSING)
        for protocol in analysis.study.protocols
        for member in analysis.members[protocol.name]
    ]
    return table(("protocol", "fold cohort", "arms scored", "not used, and why"), rows, text=2)
