"""The table of a study as Markdown."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from assets.study.analysis import Analysis
from assets.study.cells import BRIEF, brief_cells
from assets.study.cells_localised import POINTED, pointed_cells
from assets.study.entries import ALL

Row = Mapping[str, Any]
Cells = tuple[str, ...]
NOTICE = "Research software. Not a medical device: nothing here may guide the care of a patient."

ENSEMBLE = (
    "The AUC of several seeds is that of an ensemble, which scores a patient by the mean of its seeds: it ranks better "
    "than they do. What one training gives is the mean of single seeds, and that is compared with the baseline."
)

RETUNED = (
    "Score and models are lent by {lender}. The threshold is not: sensitivity and specificity at it are of one that "
    "each fold's own validation normals set anew. What the lent threshold does stands in the folds' own reports."
)


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
            _table(BRIEF, [brief_cells(row) for row in mine if row["seed"] == ALL and row["auc"] is not None]),
            _table(POINTED, [pointed_cells(row) for row in mine if row["seed"] == ALL and row.get("boxes")]),
            *sentences(analysis, protocol.name, mine),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"


def protocol_line(analysis: Analysis, name: str) -> str:
    """A protocol in words, e.g. `gan: 2 folds, seeds 0, 1`."""
    protocol = next(item for item in analysis.study.protocols if item.name == name)
    seeds = ", ".join(map(str, protocol.seeds))
    return f"{name}: {protocol.folds} folds by patient, seed{'s' if len(protocol.seeds) > 1 else ''} {seeds}"


def sentences(analysis: Analysis, name: str, rows: Sequence[Row]) -> list[str]:
    """What is to be said of a protocol: whose threshold, power, shortcut, and which arms are absent."""
    whole = [row for row in rows if row["seed"] == ALL]
    ensembles = any(row["seeds"] > 1 for row in whole)
    lender = analysis.settings.borrow_from
    retuned = RETUNED.format(lender=lender) if lender else ""
    said = [ENSEMBLE if ensembles else "", retuned, _power(whole, 1 - analysis.settings.confidence)]
    rival = analysis.shortcut(name)
    if rival is not None and rival.auc is not None:
        said.append(
            f"Without seeing disease, {rival.name} alone reaches {rival.strength:.3f} on {rival.auc.positives} "
            f"abnormal and {rival.auc.negatives} normal test patients."
        )
    said += [f"Not in the tables of localisation: {why}." for why in not_localised(analysis, name)]
    said.append(_listed("Absent", [row for row in whole if row["auc"] is None]))
    said.append(_listed("Not complete", [row for row in whole if row["status"] == "needs_review"]))
    return [sentence for sentence in said if sentence]


def _power(rows: Sequence[Row], level: float) -> str:
    compared = [row for row in rows if row.get("detectable") is not None]
    if not compared:
        return ""
    abnormals, normals = (_span(row[f"compared_{side}"] for row in compared) for side in ("abnormals", "normals"))
    return (
        f"With {abnormals} abnormal and {normals} normal patients, and arms that vary together as these do, a true "
        f"difference of {_span(round(row['detectable'], 3) for row in compared)} in AUC would be found "
        f"(p < {level:.2g}, before adjustment) four times in five."
    )


def _span(values: Iterable[float]) -> str:
    ends = dict.fromkeys((min(found := list(values)), max(found)))
    return " to ".join(f"{value:.3f}" if isinstance(value, float) else str(value) for value in ends)


def not_localised(analysis: Analysis, name: str) -> list[str]:
    """Arms and guesses of a protocol that a fold lacks, so that no row of localisation has them, with the folds."""
    by_folds: dict[tuple[str, ...], list[str]] = {}
    for arm, cohorts in analysis.localisation[name].left_out.items():
        by_folds.setdefault(tuple(cohorts), []).append(arm)
    return [f"{'; '.join(arms)} (not localised in {', '.join(cohorts)})" for cohorts, arms in by_folds.items()]


def _listed(what: str, rows: Sequence[Row]) -> str:
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        by_reason.setdefault(row["reason"], []).append(row["arm"])
    named = "; ".join(f"{', '.join(arms)} ({reason})" for reason, arms in by_reason.items())
    return f"{what}: {named}." if named else ""


def _table(head: Cells, rows: Sequence[Cells]) -> str:
    lines = [head, tuple("---" for _ in head), *rows] if rows else []
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
