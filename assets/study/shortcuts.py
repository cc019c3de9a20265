"""What sees no disease, over the folds of a protocol."""

from collections.abc import Sequence

from assets.evaluation.report_model import ShortcutResult
from assets.evaluation.roc import Auc, logit_interval
from assets.study.member import Member


def pooled_shortcuts(members: Sequence[Member], confidence: float) -> list[ShortcutResult]:
    """Shortcuts over the folds of a protocol, strongest first: means weighted by the folds' numbers of pairs."""
    by_name: dict[str, list[ShortcutResult]] = {}
    for member in members:
        for shortcut in member.shortcuts:
            by_name.setdefault(shortcut.name, []).append(shortcut)
    found = [_pooled_shortcut(shortcuts, confidence) for shortcuts in by_name.values()]
    return sorted(found, key=lambda item: -1.0 if item.strength is None else item.strength, reverse=True)


def _pooled_shortcut(folds: Sequence[ShortcutResult], confidence: float) -> ShortcutResult:
    first = folds[0]
    known = [(fold, fold.auc) for fold in folds if fold.auc is not None]
    if not known:
        return first
    pairs = [float(auc.positives * auc.negatives) for _, auc in known]
    weights = [pair / sum(pairs) for pair in pairs]
    area = sum(weight * auc.area for weight, (_, auc) in zip(weights, known, strict=True))
    errors = [auc.standard_error for _, auc in known]
    error = (
        None
        if any(item is None for item in errors)
        else sum((weight * (item or 0.0)) ** 2 for weight, item in zip(weights, errors, strict=True)) ** 0.5
    )
    interval = logit_interval(area, error, confidence) if error and 0 < area < 1 else None
    m, n = (sum(getattr(auc, side) for _, auc in known) for side in ("positives", "negatives"))
    # A plain quantity may be turned round once for the whole study, not fold by fold.
    strength = max(area, 1 - area) if first.kind == "plain" else area
    return ShortcutResult(first.name, first.kind, Auc(area, error, interval, m, n), strength)
