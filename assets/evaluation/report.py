"""The report of a cohort as one HTML file that needs nothing else."""

from collections.abc import Sequence
from html import escape

from assets.evaluation.comparison import Comparison
from assets.evaluation.html import (
    MISSING,
    bounded,
    document,
    gallery,
    heading,
    number,
    p_value,
    percent,
    provenance,
    section,
)
from assets.evaluation.html import table as html_table
from assets.evaluation.report_model import ArmResult, Report, ScoreResult, ShortcutResult
from assets.evaluation.report_rows import STABILITY
from assets.scoring.score import CORE_ENDING

NOT_ABOVE = " ≤ shortcut"


def render_report(report: Report) -> str:
    """The report as a self-contained HTML document, light or dark as the reader's system is.

    Every text is escaped, pictures are embedded, and a content policy forbids scripts and requests.

    Returns:
        The document's text, to be written as UTF-8. Equal reports give equal texts.
    """
    sections = (
        heading(report.cohort, report.created, [summary_sentence(report)], report.notes),
        section("Arms", _headline_table(report)),
        section("Shortcuts", _shortcut_table(report)),
        section("Differences between arms", _comparison_table(report)),
        section("Pictures", gallery(report.pictures)),
        section("Thresholds", _threshold_table(report)),
        section("Areas of every score", _every_score(report)),
        section("Stages", _stage_table(report)),
        section("Set aside", _set_aside_table(report)),
        section("Provenance", provenance(report.settings, report.digests, report.versions)),
    )
    return document(f"{report.cohort}: evaluation", sections)


def summary_sentence(report: Report) -> str:
    """The finding in plain text: the best arm with its interval, and the strongest shortcut beside it."""
    best = report.best()
    found = report.headline_auc(best) if best else None
    if best is None or found is None:
        return f"No arm has a defined area ({report.headline})."
    text = (
        f"{best.name} separates {found.positives} abnormal from {found.negatives} normal patients "
        f"with an area under the ROC curve of {found} ({percent(report.confidence)} interval; {best.headline}, "
        f"{report.headline})."
    )
    if len(report.arms) > 1:
        text += (
            f" It is the best of {len(report.arms)} arms on these same patients, which flatters it and its interval."
        )
    return f"{text} {_beside(report.strongest(), report.exceeds_shortcuts(best))}"


def _beside(shortcut: ShortcutResult | None, exceeded: bool) -> str:
    if shortcut is None or shortcut.strength is None:
        return "No shortcut was measured beside it."
    less = shortcut.auc is not None and shortcut.auc.area < 0.5 < shortcut.strength
    direction = " (lower in abnormal patients)" if less else ""
    mark = "" if exceeded else " The arm does not exceed it: nothing here shows that it sees disease."
    return f"Without seeing disease, {shortcut.name} alone reaches {shortcut.strength:.3f}{direction}.{mark}"


def _headline_table(report: Report) -> str:
    best = report.best()
    head = (
        "alignment",
        "method",
        "score",
        "seed",
        "normal",
        "abnormal",
        f"AUC [{percent(report.confidence)}]",
        "AP",
        f"sensitivity at {percent(report.specificity)} specificity",
        "seconds",
    )
    shown = [(arm, result) for arm in report.arms if (result := arm.result(arm.headline)) is not None]
    rows = [_arm_cells(arm, result, report.exceeds_shortcuts(arm)) for arm, result in shown]
    table = html_table(head, rows, text=3, marked=[arm is best for arm, _ in shown])
    rival = report.strongest()
    if not table or rival is None or rival.strength is None:
        return table
    return f"<p>The strongest shortcut, {escape(rival.name)}, reaches {rival.strength:.3f}.</p>{table}"


def _every_score(report: Report) -> str:
    names = list(dict.fromkeys(result.score for arm in report.arms for result in arm.results))
    core = [name for name in names if name.endswith(CORE_ENDING)]
    tables = [_areas(report, [name for name in names if name not in core]), _areas(report, core)]
    return "".join(tables) and (
        "<p>On test patients, without intervals; * speaks for the arm above. The best of a row was not known "
        "beforehand. Core: without the lungs' rim.</p>" + "".join(tables)
    )


def _areas(report: Report, names: Sequence[str]) -> str:
    rows = [(arm.name, *(_area_cell(arm, name) for name in names)) for arm in report.arms]
    head = ("arm", *(name.removeprefix("score_").replace("_", " ") for name in names))
    return html_table(head, rows, text=1) if names else ""


def _area_cell(arm: ArmResult, score: str) -> str:
    found = arm.result(score)
    if found is None or found.auc is None:
        return MISSING
    return f"{found.auc.area:.3f}{' *' if score == arm.headline else ''}"


def _threshold_table(report: Report) -> str:
    head = (
        "arm",
        "score",
        "threshold",
        "sensitivity",
        "specificity",
        "balanced accuracy",
        "plateau",
        "mean balanced accuracy",
        "Youden loss",
    )
    rows = [
        (
            item.arm,
            item.score,
            number(item.threshold, 4),
            *(number(value) for value in (item.sensitivity, item.specificity, item.balanced_accuracy)),
            *(bounded(getattr(item, name), *item.intervals.get(name, (None, None))) for name in STABILITY),
        )
        for item in report.thresholds
    ]
    table = html_table(head, rows, text=2)
    return table and (
        f"<p>The threshold is the smallest that {percent(report.specificity)} of the validation normals do not "
        "exceed; the rest is of test patients. Plateau: width of the thresholds within 95 % of the best Youden index, "
        "in interquartile ranges of the validation normals. Youden loss: what the best threshold of validation gives "
        f"away. Intervals ({percent(report.confidence)}) are of resampled validation and test patients.</p>" + table
    )


def _arm_cells(arm: ArmResult, result: ScoreResult, exceeds: bool) -> tuple[str, ...]:
    area = f"{result.auc}{'' if exceeds else NOT_ABOVE}" if result.auc else f"undefined: {result.reason}"
    return (
        arm.alignment,
        arm.method,
        result.score,
        str(arm.seed),
        str(result.negatives),
        str(result.positives),
        area,
        number(result.average_precision),
        number(result.sensitivity),
        number(arm.seconds, 0),
    )


def _shortcut_table(report: Report) -> str:
    rows = [
        (
            shortcut.name,
            shortcut.kind,
            str(shortcut.auc) if shortcut.auc else f"undefined: {shortcut.reason}",
            number(shortcut.strength),
            f"{shortcut.auc.negatives} / {shortcut.auc.positives}" if shortcut.auc else MISSING,
        )
        for shortcut in report.shortcuts
    ]
    head = ("shortcut", "kind", f"AUC [{percent(report.confidence)}]", "as a model would use it")
    table = html_table((*head, "normal / abnormal"), rows, text=2)
    return table and (
        "<p>What sees no disease, on the test patients of whom it is known; of a large cohort, on a part. An arm that "
        "does not clearly exceed these may have read them.</p>" + table
    )


def _comparison_table(report: Report) -> str:
    rows = [
        (
            pair.first,
            pair.second,
            _difference(pair.comparison) if pair.comparison else f"undefined: {pair.reason}",
            _difference(pair.sampled) if pair.sampled else MISSING,
            p_value(pair.comparison.p_value) if pair.comparison else MISSING,
            f"{number(pair.normals, 0)} / {number(pair.abnormals, 0)}",
        )
        for pair in report.comparisons
    ]
    head = (
        "first",
        "second",
        f"difference of AUC [{percent(report.confidence)}]",
        "bootstrap",
        "p",
        "normal / abnormal",
    )
    table = html_table(head, rows, text=2)
    return table and (
        "<p>On the radiographs that both have scored, by DeLong's variance and by resampled patients; the variance of "
        "training is not in these intervals.</p>" + table
    )


def _difference(found: Comparison) -> str:
    return bounded(found.difference, found.low, found.high, signed=True)


def _stage_table(report: Report) -> str:
    rows = [
        (
            count.stage,
            str(count.ok),
            str(count.needs_review),
            str(count.rejected),
            str(count.failed),
            number(count.seconds, 1),
        )
        for count in report.stages
    ]
    return html_table(("stage", "ok", "needs review", "rejected", "failed", "seconds"), rows, text=1)


def _set_aside_table(report: Report) -> str:
    rows = [(item.stage, item.reason, str(item.count)) for item in report.set_aside]
    return html_table(("stage", "reason", "radiographs"), rows, text=2)
