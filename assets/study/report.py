"""The report of a study as one HTML file that needs nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assets.evaluation.html import (
    document,
    gallery,
    heading,
    paragraph,
    percent,
    provenance,
    section,
    table,
)
from assets.evaluation.report_model import Picture
from assets.study.analysis import Analysis
from assets.study.cells import (
    AREAS,
    CONTRASTS,
    COSTS,
    area_cells,
    contrast_cells,
    cost_cells,
)
from assets.study.entries import ALL
from assets.study.markdown import protocol_line, sentences
from assets.study.report_sections import (
    images_section,
    leaks_section,
    localisation_section,
    members_section,
    shortcuts_section,
)

Row = Mapping[str, Any]
CAUTION = (
    "The best of many arms on the same patients is flattered by having been picked from them; p (Holm) is adjusted for "
    "all comparisons of a protocol and seed with the plain frame, not for those with arms without a GAN. What another "
    "training would change is told by the seeds, not by the intervals."
)


@dataclass(frozen=True)
class Shown:
    """What stands in the report beside the table.

    Attributes:
        created: dates of what was read, so that equal inputs give equal files.
        pictures: in the order shown.
        digests: of the manifests read.
        versions: of the software, by package.
    """

    created: str
    pictures: Sequence[Picture] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def render_study(analysis: Analysis, rows: Sequence[Row], shown: Shown) -> str:
    """The report as a document's text; equal inputs give equal texts.

    Args:
        analysis: the study.
        rows: of its manifest.
        shown: pictures and provenance.
    """
    study = analysis.study
    protocols = [
        (protocol.name, [row for row in rows if row["protocol"] == protocol.name]) for protocol in study.protocols
    ]
    return document(
        f"{study.title or study.name}: study",
        (
            heading(study.title or study.name, shown.created, [finding(analysis, rows)], (CAUTION,)),
            *(_protocol(analysis, name, mine) for name, mine in protocols),
            section("Pictures", gallery(shown.pictures)),
            *(section(f"Seeds of protocol {name}", _seeds(analysis, mine)) for name, mine in protocols),
            section("Localisation", localisation_section(analysis)),
            section("Shortcuts", shortcuts_section(analysis)),
            section("Leak control", leaks_section(analysis)),
            section("Patients and images", images_section(analysis)),
            section("Fold cohorts", members_section(analysis)),
            section("Provenance", provenance(_settings(analysis), shown.digests, shown.versions)),
        ),
    )


def finding(analysis: Analysis, rows: Sequence[Row]) -> str:
    """The finding in one or two sentences of plain text."""
    there = [row for row in rows if row["seed"] == ALL and row["auc"] is not None]
    if not there:
        return "No arm of this study is scored yet."
    best = max(there, key=lambda row: float(row["auc"]))
    text = (
        f"The best of {len(there)} arms, {best['arm']} ({best['protocol']}), separates {best['abnormals']} abnormal "
        f"from {best['normals']} normal patients out of fold with an area under the ROC curve of {best['auc']:.3f}"
    )
    bounds = best["auc_low"], best["auc_high"]
    text += "." if None in bounds else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]."
    if best.get("difference") is not None:
        text += f" That is {best['difference']:+.3f} against {best['compared_to']}."
    if best.get("shortcut_auc") is None:
        return f"{text} No shortcut was measured beside it."
    does = "exceeds" if best["above_shortcut"] else "does not exceed"
    return f"{text} It {does} the strongest shortcut, {best['shortcut']} at {best['shortcut_auc']:.3f}."


def _protocol(analysis: Analysis, name: str, rows: Sequence[Row]) -> str:
    whole = [row for row in rows if row["seed"] == ALL and row["auc"] is not None]
    best = max(whole, key=lambda row: float(row["auc"]), default=None)
    marked = [row is best for row in whole]
    compared = [row for row in whole if row.get("compared_to") or row.get("baseline")]
    body = "".join(paragraph(sentence) for sentence in sentences(analysis, name, rows))
    body += table(_head(analysis), [area_cells(row) for row in whole], text=2, marked=marked)
    body += table(CONTRASTS, [contrast_cells(row) for row in compared], text=3)
    body += table(COSTS, [cost_cells(row) for row in whole], text=1)
    return section(f"Protocol {protocol_line(analysis, name)}", body)


def _head(analysis: Analysis) -> tuple[str, ...]:
    settings = analysis.settings
    named = {
        "AUC": f"AUC [{percent(settings.confidence)}]",
        "sensitivity": f"sensitivity at {percent(settings.specificity)} specificity",
    }
    return tuple(named.get(name, name) for name in AREAS)


def _seeds(analysis: Analysis, rows: Sequence[Row]) -> str:
    single = [row for row in rows if row["seed"] != ALL and row["auc"] is not None]
    compared = [row for row in single if row.get("compared_to")]
    areas = table(_head(analysis), [area_cells(row) for row in single], text=2)
    return areas + table(CONTRASTS, [contrast_cells(row) for row in compared], text=3)


def _settings(analysis: Analysis) -> str:
    return json.dumps(analysis.study.model_dump(), indent=1, sort_keys=True)
