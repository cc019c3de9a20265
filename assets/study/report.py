"""The report of a study as one HTML file that needs nothing else."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assets.evaluation.html import (
    document,
    gallery,
    heading,
    p_value,
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
    BASELINES,
    CONTRASTS,
    COSTS,
    QUALITY,
    area_cells,
    baseline_cells,
    contrast_cells,
    cost_cells,
    fewer,
    quality_cells,
    strength,
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
    "all comparisons of a protocol and seed with the plain frame, or of a protocol with arms without a GAN, each for "
    "themselves. What another training would change is told by the seeds, not by the intervals."
)

MEASURED = (
    "How well arms register and translate. Dice of the lungs with the reference's and share of folded pixels: of test "
    "radiographs in the arm's frame. Of validation images: mean change of normal ones, 0 is best; share of planted "
    "lesions' contrast that is gone, 1 is best; PSNR against the twin without the lesion, and of the image untouched; "
    "KID to normal images, and between two halves of these; fall of a classifier's probability of disease."
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
    best = max(there, key=strength)
    together = f", the ensemble of its {best['seeds']} seeds," if best["seeds"] > 1 else ","
    text = (
        f"The best of {len(there)} arms, {best['arm']} ({best['protocol']}){together} separates {best['abnormals']} "
        f"abnormal from {best['normals']} normal patients out of fold with an area under the ROC curve of "
        f"{best['auc']:.3f}"
    )
    bounds = best["auc_low"], best["auc_high"]
    text += "" if None in bounds else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]"
    text += f"; one seed alone has {best['seed_mean']:.3f} on average." if _several(best) else "."
    if best.get("difference") is not None:
        text += f" That is {best['difference']:+.3f} against {best['compared_to']}"
        text += f"{fewer(best, 'compared')} (p {p_value(best['p_holm'])}, adjusted)."
    if best.get("shortcut_auc") is None:
        return f"{text} No shortcut was measured beside it."
    does = "exceeds" if best["above_shortcut"] else "does not exceed"
    return f"{text} It {does} the strongest shortcut, {best['shortcut']} at {best['shortcut_auc']:.3f}."


def _several(row: Row) -> bool:
    return row["seeds"] > 1 and row["seed_mean"] is not None


def _protocol(analysis: Analysis, name: str, rows: Sequence[Row]) -> str:
    whole = [row for row in rows if row["seed"] == ALL and row["auc"] is not None]
    best = max(whole, key=strength, default=None)
    marked = [row is best for row in whole]
    aligned, trained = ([row for row in whole if row.get(side)] for side in ("compared_to", "baseline"))
    body = "".join(paragraph(sentence) for sentence in sentences(analysis, name, rows))
    body += table(_head(analysis), [area_cells(row) for row in whole], text=2, marked=marked)
    body += table(CONTRASTS, [contrast_cells(row) for row in aligned], text=2)
    body += table(BASELINES, [baseline_cells(row) for row in trained], text=2)
    body += paragraph(MEASURED) + table(QUALITY, [quality_cells(row) for row in whole], text=1)
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
    return areas + table(CONTRASTS, [contrast_cells(row) for row in compared], text=2)


def _settings(analysis: Analysis) -> str:
    return json.dumps(analysis.study.model_dump(), indent=1, sort_keys=True)
