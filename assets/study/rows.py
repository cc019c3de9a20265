"""The table of a study."""

from collections.abc import Sequence
from hashlib import sha256
from statistics import fmean
from typing import Any

from assets.evaluation.settings import EvaluationSettings
from assets.study.analysis import Analysis
from assets.study.contrasts import Contrast
from assets.study.entries import Entry
from assets.study.fold_arm import rates
from assets.study.localised import localisation_columns
from assets.study.member import Costs, Member
from assets.study.quality import quality_columns

Row = dict[str, Any]


def study_rows(analysis: Analysis) -> list[Row]:
    """Rows of the study's manifest, in the order of protocols, arms and seeds."""
    return [_row(analysis, place, entry) for place, entry in enumerate(analysis.entries)]


def _row(analysis: Analysis, place: int, entry: Entry) -> Row:
    row: Row = {
        "protocol": entry.protocol.name,
        "folds": entry.protocol.folds,
        "folds_scored": len(entry.folds),
        "arm": entry.arm,
        "alignment": entry.alignment,
        "method": entry.method,
        "seed": entry.seed,
        "seeds": len(entry.singles),
        "scores": list(dict.fromkeys(fold.score for fold in entry.folds)),
        **_area(entry, analysis.settings),
        **_aligned(analysis.aligned.get(place)),
        **_baseline(analysis.baselines.get(place)),
        **_shortcut(analysis, entry),
        **_costs(entry.costs),
        **quality_columns(entry, analysis.members[entry.protocol.name]),
        **localisation_columns(entry, analysis.localisation[entry.protocol.name].rows),
        **_aside(analysis.members[entry.protocol.name], entry.alignment),
    }
    key = sha256(repr(row).encode()).hexdigest()[:32]
    contrasts = [item for found in (analysis.aligned, analysis.baselines) if (item := found.get(place))]
    return {**row, **_status(entry, contrasts), "key": key, "artifact": "", "artifact_digest": ""}


def _area(entry: Entry, settings: EvaluationSettings) -> Row:
    measured = rates(entry.folds, settings.specificity)
    area = entry.found.auc if entry.found else None
    interval = area.interval if area else None
    labels = [fold.labels for fold in entry.tested]
    return {
        "normals": sum(int((~found).sum()) for found in labels),
        "abnormals": sum(int(found.sum()) for found in labels),
        "auc": area.area if area else None,
        "auc_low": interval.low if interval else None,
        "auc_high": interval.high if interval else None,
        "auc_se": area.standard_error if area else None,
        **_singly(entry),
        "average_precision": measured.average_precision,
        "sensitivity": measured.sensitivity,
        "sensitivity_at_threshold": measured.sensitivity_at_threshold,
        "specificity_at_threshold": measured.specificity_at_threshold,
    }


def _singly(entry: Entry) -> Row:
    area = entry.singly.auc if entry.singly else None
    interval = area.interval if area else None
    return {
        "seed_mean": area.area if area else None,
        "seed_mean_low": interval.low if interval else None,
        "seed_mean_high": interval.high if interval else None,
        "seed_sd": entry.seed_sd,
    }


def _aligned(contrast: Contrast | None) -> Row:
    if contrast is None:
        return {}
    found = contrast.comparison
    return {
        "compared_to": contrast.other.arm,
        "compared_seeds": contrast.seeds,
        "compared_normals": contrast.normals,
        "compared_abnormals": contrast.abnormals,
        "difference": found.difference if found else None,
        "difference_low": found.low if found else None,
        "difference_high": found.high if found else None,
        "p": found.p_value if found else None,
        "p_holm": contrast.p_holm,
        "detectable": contrast.detectable,
    }


def _baseline(contrast: Contrast | None) -> Row:
    if contrast is None:
        return {}
    found = contrast.comparison
    return {
        "baseline": f"{contrast.other.protocol.name}: {contrast.other.arm}",
        "baseline_normals": contrast.normals,
        "baseline_abnormals": contrast.abnormals,
        "baseline_difference": found.difference if found else None,
        "baseline_low": found.low if found else None,
        "baseline_high": found.high if found else None,
        "baseline_p": found.p_value if found else None,
        "baseline_p_holm": contrast.p_holm,
    }


def _shortcut(analysis: Analysis, entry: Entry) -> Row:
    rival = analysis.shortcut(entry.protocol.name)
    if rival is None or rival.strength is None:
        return {}
    above = None if entry.found is None else entry.found.auc.area > rival.strength
    return {"shortcut": rival.name, "shortcut_auc": rival.strength, "above_shortcut": above}


def _costs(costs: Sequence[Costs]) -> Row:
    seconds = [cost.seconds for cost in costs if cost.seconds is not None]
    return {
        "steps": _mean([cost.steps for cost in costs]),
        "passes": _mean([cost.passes for cost in costs]),
        "images": _mean([cost.images for cost in costs]),
        "seconds": sum(seconds) if seconds else None,
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def _aside(members: Sequence[Member], alignment: str) -> Row:
    found = [item for member in members for item in member.aside if item.concerns(alignment)]
    counts = {domain: sum(item.count for item in found if item.domain == domain) for domain in ("normal", "abnormal")}
    return {"aside_normals": counts["normal"], "aside_abnormals": counts["abnormal"]}


def _status(entry: Entry, contrasts: Sequence[Contrast]) -> Row:
    missing = "; ".join(entry.missing)
    if entry.found is None:
        return {"status": "rejected", "reason": missing or entry.undefined}
    told = [*entry.missing, *(why for contrast in contrasts if (why := _partial(entry, contrast)))]
    if len(entry.folds) < entry.protocol.folds or told:
        return {"status": "needs_review", "reason": "; ".join(told)}
    return {"status": "ok", "reason": entry.found.auc.note}


def _partial(entry: Entry, contrast: Contrast) -> str:
    """Why a comparison is not of all that the entry has, empty where it is."""
    lacking = [why for why in contrast.other.missing if why not in entry.missing]
    if lacking:
        return f"compared with {contrast.other.arm}, which lacks {', '.join(lacking)}"
    if contrast.comparison is None:
        return f"not compared with {contrast.other.arm}: {contrast.reason}"
    return ""
