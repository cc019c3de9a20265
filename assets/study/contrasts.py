"""What each line of a study's table is compared with, on the same patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from assets.evaluation.comparison import Comparison
from assets.evaluation.roc import Undefined
from assets.evaluation.settings import EvaluationSettings
from assets.study.common import averaged, on_common
from assets.study.entries import ALL, Entry
from assets.study.inference import detectable, holm
from assets.study.pooled import Pooled, paired

# They see no abnormal radiograph and cost seconds; a translator earns its place above them.
BASELINES = ("template", "pca")


@dataclass(frozen=True)
class Contrast:
    """One line's area minus another's.

    Attributes:
        other: what it is compared with.
        comparison: None where undefined.
        reason: empty, or why.
        seeds: of the line that take part.
        normals: normal patients whom both sides scored.
        abnormals: abnormal ones.
        p_holm: p value adjusted for all such contrasts of the protocol.
        detectable: smallest true difference that the test would find four times in five.
    """

    other: Entry
    comparison: Comparison | None
    reason: str = ""
    seeds: int | None = None
    normals: int | None = None
    abnormals: int | None = None
    p_holm: float | None = None
    detectable: float | None = None


def aligned_contrasts(found: Sequence[Entry], settings: EvaluationSettings) -> dict[int, Contrast]:
    """Each line against its own method and seed in the protocol's frame of comparison, by the line's place.

    Ensembles are made of the seeds that both sides have: one of more seeds is better for that alone. P values are
    adjusted within a protocol and seed.
    """
    places = {(entry.protocol.name, entry.arm, entry.seed): entry for entry in found}
    contrasts: dict[int, Contrast] = {}
    for place, entry in enumerate(found):
        plain = places.get((entry.protocol.name, f"{entry.protocol.compare_to}/{entry.method}", entry.seed))
        if plain is not None and plain is not entry:
            contrasts[place] = contrast(entry, plain, settings)
    return _adjusted(found, contrasts)


def baseline_contrasts(found: Sequence[Entry], settings: EvaluationSettings) -> dict[int, Contrast]:
    """Each trained arm's single seeds, on average, against the better baseline of its own frame, by the line's place.

    A baseline of another protocol stands in where the arm's own has none: it has scored the same patients. P values
    are adjusted within a protocol.
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
            contrasts[place] = mean_contrast(entry, best, settings)
    return _adjusted(found, contrasts)


def contrast(entry: Entry, other: Entry, settings: EvaluationSettings) -> Contrast:
    """Difference of two lines over the same seeds, on the patients that both have scored."""
    shared = [seed for seed in entry.singles if seed in other.singles]
    try:
        if not shared:
            raise Undefined("no seed is there in every fold of both")
        first, second = on_common([each.tested_by(shared) for each in (entry, other)], settings.confidence)
        return _contrast(other, first, second, len(shared), settings)
    except Undefined as undefined:
        return Contrast(other, None, str(undefined))


def mean_contrast(entry: Entry, other: Entry, settings: EvaluationSettings) -> Contrast:
    """Mean of a line's areas by seed less another line's, on the patients that all of them have scored."""
    seeds = entry.tested_singly()
    try:
        if not seeds:
            raise Undefined("no seed is there in every fold")
        *singles, second = on_common([*seeds, other.tested], settings.confidence)
        return _contrast(other, averaged(singles, settings.confidence), second, len(seeds), settings)
    except Undefined as undefined:
        return Contrast(other, None, str(undefined))


def _contrast(other: Entry, first: Pooled, second: Pooled, seeds: int, settings: EvaluationSettings) -> Contrast:
    found = paired(first, second, settings.confidence)
    power = detectable(found, settings.confidence)
    return Contrast(other, found, "", seeds, first.auc.negatives, first.auc.positives, detectable=power)


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
