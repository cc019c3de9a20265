"""What each line of a study's table is compared with, on the same patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from assets.evaluation.comparison import Comparison
from assets.evaluation.report_model import ShortcutResult
from assets.evaluation.roc import Auc, Undefined, logit_interval
from assets.evaluation.settings import EvaluationSettings
from assets.study.entries import ALL, Entry
from assets.study.inference import detectable, holm
from assets.study.member import Member
from assets.study.pooled import Pooled, paired, pooled, restricted

# They see no abnormal radiograph and cost seconds; a translator earns its place above them.
BASELINES = ("template", "pca")


@dataclass(frozen=True)
class Contrast:
    """One line's area minus another's.

    Attributes:
        other: what it is compared with.
        comparison: None where undefined.
        reason: empty, or why.
        p_holm: p value adjusted for all such contrasts of the protocol.
        detectable: smallest true difference that the test would find four times in five.
    """

    other: Entry
    comparison: Comparison | None
    reason: str = ""
    p_holm: float | None = None
    detectable: float | None = None


def aligned_contrasts(found: Sequence[Entry], settings: EvaluationSettings) -> dict[int, Contrast]:
    """Each line against its own method and seed in the protocol's frame of comparison, by the line's place.

    P values are adjusted within a protocol and seed.
    """
    places = {(entry.protocol.name, entry.arm, entry.seed): entry for entry in found}
    contrasts: dict[int, Contrast] = {}
    for place, entry in enumerate(found):
        plain = places.get((entry.protocol.name, f"{entry.protocol.compare_to}/{entry.method}", entry.seed))
        if plain is not None and plain is not entry:
            contrasts[place] = contrast(entry, plain, settings)
    return _adjusted(found, contrasts)


def baseline_contrasts(found: Sequence[Entry], settings: EvaluationSettings) -> dict[int, Contrast]:
    """Each trained arm over its seeds against the better baseline of its own frame, by the line's place.

    A baseline of another protocol stands in where the arm's own has none: it has scored the same patients.
    """
    contrasts: dict[int, Contrast] = {}
    for place, entry in enumerate(found):
        if entry.seed != ALL or entry.method in BASELINES:
            continue
        rivals = [
            other
            for other in found
            if other.seed == ALL
            and other.found is not None
            and other.method in BASELINES
            and other.alignment == entry.alignment
        ]
        own = [other for other in rivals if other.protocol is entry.protocol]
        best = max(own or rivals, key=lambda other: other.found.auc.area if other.found else 0.0, default=None)
        if best is not None:
            contrasts[place] = contrast(entry, best, settings)
    return contrasts


def contrast(entry: Entry, other: Entry, settings: EvaluationSettings) -> Contrast:
    """Difference of two lines on the patients that both have scored."""
    try:
        first, second = _on_common(entry, other, settings)
        found = paired(first, second, settings.confidence)
    except Undefined as undefined:
        return Contrast(other, None, str(undefined))
    return Contrast(other, found, detectable=detectable(found, settings.confidence))


def _on_common(entry: Entry, other: Entry, settings: EvaluationSettings) -> tuple[Pooled, Pooled]:
    """Both areas over the same patients: whom one side cannot use, as in a fold of one class, leaves the other, too."""
    first, second = entry.tested, other.tested
    while True:
        pair = pooled(first, settings.confidence), pooled(second, settings.confidence)
        shared = set(pair[0].patients) & set(pair[1].patients)
        if shared == set(pair[0].patients) | set(pair[1].patients):
            return pair
        first, second = restricted(first, shared), restricted(second, shared)


def _adjusted(found: Sequence[Entry], contrasts: Mapping[int, Contrast]) -> dict[int, Contrast]:
    families: dict[tuple[str, str], list[int]] = {}
    for place in contrasts:
        families.setdefault((found[place].protocol.name, found[place].seed), []).append(place)
    adjusted = dict(contrasts)
    for places in families.values():
        values = [item.p_value if (item := contrasts[place].comparison) else None for place in places]
        for place, value in zip(places, holm(values), strict=True):
            adjusted[place] = replace(contrasts[place], p_holm=value)
    return adjusted


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
