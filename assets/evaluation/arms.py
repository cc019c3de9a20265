"""From scored arms to results, differences between arms, and the rows of the evaluation table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from assets.evaluation.arm import score_result
from assets.evaluation.bootstrap import clustered_interval
from assets.evaluation.choice import Decisions, decide
from assets.evaluation.comparison import paired_bootstrap, paired_delong
from assets.evaluation.report_model import ArmComparison, ArmResult, ScoreResult
from assets.evaluation.roc import Undefined
from assets.evaluation.scored import ScoredArm, scored_arms
from assets.evaluation.settings import EvaluationSettings
from assets.evaluation.stability import Stability, operating, stability, stability_intervals
from assets.scoring.score import SCORE_NAMES

SPLITS = ("validation", "test")
PLAIN = "none"
ENDS = ("low", "high")


@dataclass(frozen=True)
class Evaluated:
    """A cohort's arms by split, and what its validation patients (or a lender's) decided."""

    validation: list[ScoredArm]
    test: list[ScoredArm]
    decisions: Decisions
    settings: EvaluationSettings

    def headline(self, arm: str) -> str:
        """The score of the summary for an arm."""
        return self.decisions.score(arm) if self.settings.headline == "validation" else self.settings.headline


def evaluated(table: pa.Table, settings: EvaluationSettings, decisions: Decisions | None = None) -> Evaluated:
    """Arms of a table of scored radiographs.

    Args:
        table: with `scored.SCORED_COLUMNS`, rows that are ok.
        settings: of the evaluation.
        decisions: by another cohort, where its models are borrowed; by default this one's validation patients decide.
    """
    validation, test = (scored_arms(table, split, settings.patient_score) for split in SPLITS)
    return Evaluated(validation, test, decide(validation, settings) if decisions is None else decisions, settings)


def arm_results(found: Evaluated, arms: Sequence[ScoredArm]) -> list[ArmResult]:
    """Every score that some arms have, over their patients; the one that speaks for an arm even where it has none."""
    return [
        ArmResult(
            arm.alignment,
            arm.method,
            arm.seed,
            None,
            tuple(score_result(score, arm.patients(score), found.settings) for score in _told(found, arm)),
            found.headline(arm.arm),
        )
        for arm in arms
    ]


def _told(found: Evaluated, arm: ScoredArm) -> list[str]:
    always = (found.headline(arm.arm), found.decisions.score(arm.arm))
    return [score for score in SCORE_NAMES if score in always or arm.has(score)]


def arm_comparisons(found: Evaluated) -> list[ArmComparison]:
    """Headline area of every aligned test arm minus that of the same method and seed unaligned, on what both scored."""
    plain = {(arm.method, arm.seed): arm for arm in found.test if arm.alignment == PLAIN}
    pairs = [(arm, plain.get((arm.method, arm.seed))) for arm in found.test if arm.alignment != PLAIN]
    return [_compared(found, arm, other) for arm, other in pairs if other is not None]


def _compared(found: Evaluated, arm: ScoredArm, other: ScoredArm) -> ArmComparison:
    shared = np.intersect1d(arm.ids, other.ids)
    first, second = (side.patients_on(found.headline(side.arm), shared) for side in (arm, other))
    abnormals = int(np.count_nonzero(first.labels))
    counts = (len(first.labels) - abnormals, abnormals)
    settings = found.settings
    try:
        paired = paired_delong(first.scores, second.scores, first.labels, settings.confidence)
        rng = np.random.default_rng(settings.bootstrap_seed)
        sampled = paired_bootstrap(
            first.scores, second.scores, first.labels, settings.resamples, rng, settings.confidence
        )
        return ArmComparison(arm.name, other.name, paired, "", sampled, *counts)
    except Undefined as undefined:
        return ArmComparison(arm.name, other.name, None, str(undefined), None, *counts)


def evaluation_rows(found: Evaluated) -> list[dict[str, Any]]:
    """Rows of the evaluation table: split x arm x score that it has, undefined measures as null with the reason."""
    validation = {(arm.arm, arm.seed): arm for arm in found.validation}
    rows: list[dict[str, Any]] = []
    for split, arms in zip(SPLITS, (found.validation, found.test), strict=True):
        for arm, results in zip(arms, arm_results(found, arms), strict=True):
            decided_on = validation.get((arm.arm, arm.seed))
            rows.extend(_row(found, split, arm, decided_on, result) for result in results.results)
    return rows


def _row(
    found: Evaluated, split: str, arm: ScoredArm, decided_on: ScoredArm | None, result: ScoreResult
) -> dict[str, Any]:
    interval = result.auc.interval if result.auc else None
    row: dict[str, Any] = {
        "arm": arm.arm,
        "alignment": arm.alignment,
        "method": arm.method,
        "seed": arm.seed,
        "score": result.score,
        "split": split,
        "headline": result.score == found.headline(arm.arm),
        "chosen": result.score == found.decisions.score(arm.arm),
        "normals": result.negatives,
        "abnormals": result.positives,
        "auc": result.auc.area if result.auc else None,
        "auc_low": interval.low if interval else None,
        "auc_high": interval.high if interval else None,
        "average_precision": result.average_precision,
        "sensitivity": result.sensitivity,
        **_at_threshold(found, arm, decided_on, result.score),
        **arm.lesions,
    }
    if split == "test":
        row |= _by_image(found, arm, row)
        row |= _stability_intervals(found, arm, decided_on, result.score) if row["headline"] else {}
    key = sha256(repr(row).encode()).hexdigest()[:32]
    status = {"status": "ok" if result.auc else "rejected", "reason": result.reason}
    return {**row, **status, "key": key, "artifact": "", "artifact_digest": ""}


def _at_threshold(found: Evaluated, arm: ScoredArm, decided_on: ScoredArm | None, score: str) -> dict[str, Any]:
    threshold = found.decisions.threshold(arm.arm, arm.seed, score)
    tested = (arm.scores(score), arm.groups.labels)
    point = operating(*tested, threshold)
    known = None if decided_on is None else (decided_on.scores(score), decided_on.groups.labels)
    return {
        "threshold": threshold,
        "sensitivity_at_threshold": point.sensitivity,
        "specificity_at_threshold": point.specificity,
        "balanced_accuracy": point.balanced_accuracy,
        **asdict(Stability() if known is None else stability(known, tested)),
    }


def _stability_intervals(
    found: Evaluated, arm: ScoredArm, decided_on: ScoredArm | None, score: str
) -> dict[str, float | None]:
    if decided_on is None:
        return {}
    sides = [(side.scores(score), side.groups.labels) for side in (decided_on, arm)]
    settings = found.settings
    rng = np.random.default_rng(settings.bootstrap_seed)
    ends = stability_intervals(sides[0], sides[1], settings.resamples, settings.confidence, rng)
    return {f"{name}_{end}": value for name, pair in ends.items() for end, value in zip(ENDS, pair, strict=True)}


def _by_image(found: Evaluated, arm: ScoredArm, row: dict[str, Any]) -> dict[str, Any]:
    """Area over radiographs for the headline, where patients have several; its interval resamples patients."""
    several = len(arm.groups.order) > len(arm.groups.patients)
    if not several or not row["headline"] or row["auc"] is None:
        return {}
    rng = np.random.default_rng(found.settings.bootstrap_seed)
    scores = arm.raw[row["score"]]
    area, low, high = clustered_interval(
        arm.groups, scores, arm.labels, found.settings.resamples, found.settings.confidence, rng
    )
    return {"image_auc": area, "image_auc_low": low, "image_auc_high": high}
