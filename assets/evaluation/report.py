"""The report of a cohort as one HTML file that needs nothing else."""

import base64
from collections.abc import Mapping, Sequence
from html import escape

from assets.evaluation.report_model import ArmResult, Picture, Report, ScoreResult
from assets.evaluation.report_style import STYLE
from assets.evaluation.shortcuts import Shortcut, strongest

NOTICE = (
    "Research software. Not a medical device: not validated for, and not to be used for, diagnosis or any decision "
    "about a patient. A translated radiograph is a computed image and shows no patient."
)
MISSING = "-"


def render_report(report: Report) -> str:
    """The report as a self-contained HTML document, light or dark as the reader's system is.

    Every text is escaped, pictures are embedded, and a content policy forbids scripts and requests.

    Returns:
        The document's text, to be written as UTF-8. Equal reports give equal texts.
    """
    sections = (
        _summary(report),
        _section("Arms", _headline_table(report)),
        _section("Shortcuts", _shortcut_table(report)),
        _section("Differences between arms", _comparison_table(report)),
        _section("Pictures", _pictures(report.pictures)),
        _section("Other scores", _other_scores(report)),
        _section("Stages", _stage_table(report)),
        _section("Set aside", _set_aside_table(report)),
        _section("Provenance", _provenance(report)),
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(report.cohort)}: evaluation</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + "\n</main>\n</body>\n</html>\n"
    )


def summary_sentence(report: Report) -> str:
    """The finding in plain text: the best arm with its interval, and the strongest shortcut beside it."""
    best = report.best()
    found = report.headline_auc(best) if best else None
    if best is None or found is None:
        return f"No arm has a defined area for {report.headline}."
    text = (
        f"{best.name} separates {found.positives} abnormal from {found.negatives} normal patients "
        f"with an area under the ROC curve of {found} ({_percent(report.confidence)} interval; {report.headline})."
    )
    if len(report.arms) > 1:
        text += (
            f" It is the best of {len(report.arms)} arms on these same patients, which flatters it and its interval."
        )
    return f"{text} {_beside(strongest(list(report.shortcuts)))}"


def _beside(shortcut: Shortcut | None) -> str:
    if shortcut is None or shortcut.strength is None:
        return "No shortcut was measured beside it."
    less = shortcut.auc is not None and shortcut.auc.area < 0.5
    direction = " (lower in abnormal patients)" if less else ""
    return f"Without seeing disease, {shortcut.name} alone reaches {shortcut.strength:.3f}{direction}."


def _summary(report: Report) -> str:
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f"<header><h1>{escape(report.cohort)}</h1><p class=when>{escape(report.created)}</p></header>\n"
        f"<p class=notice>{escape(NOTICE)}</p>\n<p class=summary>{escape(summary_sentence(report))}</p>"
        + (f"\n<ul class=notes>{notes}</ul>" if notes else "")
    )


def _headline_table(report: Report) -> str:
    best = report.best()
    return _arm_table(report, report.headline, best)


def _other_scores(report: Report) -> str:
    names = dict.fromkeys(result.score for arm in report.arms for result in arm.results)
    return "".join(
        f"<h3>{escape(name)}</h3>{_arm_table(report, name, None)}" for name in names if name != report.headline
    )


def _arm_table(report: Report, score: str, best: ArmResult | None) -> str:
    head = (
        "alignment",
        "method",
        "seed",
        "normal",
        "abnormal",
        f"AUC [{_percent(report.confidence)}]",
        "AP",
        f"sensitivity at {_percent(report.specificity)} specificity",
        "seconds",
    )
    rows, marked = [], []
    for arm in report.arms:
        result = arm.result(score)
        if result is not None:
            rows.append(_arm_cells(arm, result))
            marked.append(arm is best)
    return _table(head, rows, text=2, marked=marked)


def _arm_cells(arm: ArmResult, result: ScoreResult) -> tuple[str, ...]:
    area = str(result.auc) if result.auc else f"undefined: {result.reason}"
    return (
        arm.alignment,
        arm.method,
        str(arm.seed),
        str(result.negatives),
        str(result.positives),
        area,
        _number(result.average_precision),
        _number(result.sensitivity),
        _number(arm.seconds, 0),
    )


def _shortcut_table(report: Report) -> str:
    rows = [
        (
            shortcut.name,
            str(shortcut.auc) if shortcut.auc else f"undefined: {shortcut.reason}",
            _number(shortcut.strength),
        )
        for shortcut in report.shortcuts
    ]
    table = _table(("quantity", f"AUC [{_percent(report.confidence)}]", "in its better direction"), rows, text=1)
    return table and (
        "<p>What sees no disease, on the same patients. An arm that does not clearly exceed these may have read "
        "them.</p>" + table
    )


def _comparison_table(report: Report) -> str:
    rows = []
    for pair in report.comparisons:
        if pair.comparison is None:
            rows.append((pair.first, pair.second, f"undefined: {pair.reason}", MISSING))
            continue
        found = pair.comparison
        difference = f"{found.difference:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"
        rows.append((pair.first, pair.second, difference, _p_value(found.p_value)))
    head = ("first", "second", f"difference of AUC [{_percent(report.confidence)}]", "p")
    table = _table(head, rows, text=2)
    return table and ("<p>On the same patients; the variance of training is not in these intervals.</p>" + table)


def _stage_table(report: Report) -> str:
    rows = [
        (
            count.stage,
            str(count.ok),
            str(count.needs_review),
            str(count.rejected),
            str(count.failed),
            _number(count.seconds, 1),
        )
        for count in report.stages
    ]
    return _table(("stage", "ok", "needs review", "rejected", "failed", "seconds"), rows, text=1)


def _set_aside_table(report: Report) -> str:
    rows = [(item.stage, item.reason, str(item.count)) for item in report.set_aside]
    return _table(("stage", "reason", "radiographs"), rows, text=2)


def _pictures(pictures: Sequence[Picture]) -> str:
    figures = []
    for picture in pictures:
        data = base64.b64encode(picture.png).decode("ascii")
        figures.append(
            f'<figure class="{"wide" if picture.wide else "half"}"><h3>{escape(picture.title)}</h3>'
            f'<img src="data:image/png;base64,{data}" alt="{escape(picture.caption)}">'
            f"<figcaption>{escape(picture.caption)}</figcaption></figure>"
        )
    return f"<div class=pictures>{''.join(figures)}</div>" if figures else ""


def _provenance(report: Report) -> str:
    digests, versions = _pairs("manifest", report.digests), _pairs("software", report.versions)
    settings = (
        f"<details><summary>Settings</summary><pre>{escape(report.settings)}</pre></details>" if report.settings else ""
    )
    return settings + digests + versions


def _pairs(name: str, values: Mapping[str, str]) -> str:
    head = (name, "digest" if name == "manifest" else "version")
    return _table(head, list(values.items()), text=2)


def _section(title: str, body: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], text: int, marked: Sequence[bool] | None = None) -> str:
    """A table of escaped texts, the first `text` columns to the left, numbers to the right; empty without rows."""
    if not rows:
        return ""
    names = "".join(f"<th{_side(i, text)}>{escape(name)}</th>" for i, name in enumerate(head))
    lines = []
    for row, best in zip(rows, marked or [False] * len(rows), strict=True):
        cells = "".join(f"<td{_side(i, text)}>{escape(cell)}</td>" for i, cell in enumerate(row))
        lines.append(f"<tr{' class=best' if best else ''}>{cells}</tr>")
    return f"<div class=scroll><table><thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"


def _side(column: int, text: int) -> str:
    return " class=text" if column < text else ""


def _number(value: float | None, digits: int = 3) -> str:
    return MISSING if value is None else f"{value:.{digits}f}"


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _p_value(value: float | None) -> str:
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
