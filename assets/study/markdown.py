"""The table of a study as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

from assets.study.analysis import Analysis
from assets.study.cells import BRIEF, brief_cells
from assets.study.entries import ALL

Row = Mapping[str, Any]
NOTICE = "Research software. Not a medical device: nothing here may guide the care of a patient."


def markdown(analysis: Analysis, rows: Sequence[Row]) -> str:
    """One table a protocol: every arm over its seeds in the order given; then what is missing.

    Args:
        analysis: the study.
        rows: of its manifest.
    """
    study = analysis.study
    parts = [f"# {study.title or study.name}", NOTICE]
    for protocol in study.protocols:
        mine = [row for row in rows if row["protocol"] == protocol.name]
        parts += [
            f"## {protocol_line(analysis, protocol.name)}",
            _table(mine),
            *sentences(analysis, protocol.name, mine),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def protocol_line(analysis: Analysis, name: str) -> str:
    """A protocol in words, e.g. `gan: 2 folds, seeds 0, 1`."""
    protocol = next(item for item in analysis.study.protocols if item.name == name)
    seeds = ", ".join(map(str, protocol.seeds))
    return f"{name}: {protocol.folds} folds by patient, seed{'s' if len(protocol.seeds) > 1 else ''} {seeds}"


def sentences(analysis: Analysis, name: str, rows: Sequence[Row]) -> list[str]:
    """What is to be said of a protocol: power, shortcut, and which arms are absent."""
    whole = [row for row in rows if row["seed"] == ALL]
    said = [_power(whole, 1 - analysis.settings.confidence)]
    rival = analysis.shortcut(name)
    if rival is not None:
        said.append(f"Without seeing disease, {rival.name} alone reaches {rival.strength:.3f} on the same patients.")
    said.append(_listed("Absent", [row for row in whole if row["auc"] is None]))
    said.append(_listed("Not complete", [row for row in whole if row["status"] == "needs_review"]))
    return [sentence for sentence in said if sentence]


def _power(rows: Sequence[Row], level: float) -> str:
    compared = [row for row in rows if row.get("detectable") is not None]
    if not compared:
        return ""
    least, most = (f"{limit(row['detectable'] for row in compared):.3f}" for limit in (min, max))
    first = compared[0]
    return (
        f"With {first['abnormals']} abnormal and {first['normals']} normal patients, and arms that vary together as "
        f"these do, a true difference of {least if least == most else f'{least} to {most}'} in AUC would be found "
        f"(p < {level:.2g}, before adjustment) four times in five."
    )


def _listed(what: str, rows: Sequence[Row]) -> str:
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        by_reason.setdefault(row["reason"], []).append(row["arm"])
    named = "; ".join(f"{', '.join(arms)} ({reason})" for reason, arms in by_reason.items())
    return f"{what}: {named}." if named else ""


def _table(rows: Sequence[Row]) -> str:
    shown = [row for row in rows if row["seed"] == ALL and row["auc"] is not None]
    if not shown:
        return ""
    lines = [BRIEF, tuple("---" for _ in BRIEF), *(brief_cells(row) for row in shown)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
