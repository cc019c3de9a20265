"""From scored radiographs to results by arm, and to the rows of the evaluation table."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from assets.evaluation.arm import score_result
from assets.evaluation.comparison import PatientScores, by_patient, paired_delong
from assets.evaluation.report_model import ArmComparison, ArmResult, ScoreResult
from assets.evaluation.roc import Undefined
from assets.evaluation.settings import EvaluationSettings
from assets.scoring.score import SCORE_NAMES

Row = Mapping[str, Any]
ArmName = tuple[str, str, int]


def by_arm(rows: Iterable[Row], split: str) -> dict[ArmName, list[Row]]:
    """Scored normal and abnormal radiographs of a split by (alignment, method, seed), rows sorted by id."""
    arms: dict[ArmName, list[Row]] = {}
    for row in sorted(rows, key=lambda row: str(row["radiograph_id"])):
        if row["split"] == split and row["domain"] in ("normal", "abnormal"):
            arms.setdefault((row["alignment"], row["method"], row["seed"]), []).append(row)
    return dict(sorted(arms.items()))


def arm_results(rows: Iterable[Row], split: str, settings: EvaluationSettings) -> list[ArmResult]:
    """Every score of every arm over the patients of a split."""
    return [
        ArmResult(*name, None, tuple(_result(score, members, settings) for score in SCORE_NAMES))
        for name, members in by_arm(rows, split).items()
    ]


def arm_comparisons(rows: Iterable[Row], split: str, settings: EvaluationSettings) -> list[ArmComparison]:
    """Headline area of every aligned arm minus that of the same method and seed without alignment, same patients."""
    arms = by_arm(rows, split)
    found: list[ArmComparison] = []
    for (alignment, method, seed), members in arms.items():
        plain = arms.get(("none", method, seed))
        if alignment == "none" or plain is None:
            continue
        names = f"{alignment}/{method}, seed {seed}", f"none/{method}, seed {seed}"
        first, second = (_patients(side, settings) for side in (members, plain))
        if first.patients != second.patients:
            found.append(ArmComparison(*names, None, "the two arms were not scored on the same patients"))
            continue
        try:
            paired = paired_delong(first.scores, second.scores, first.labels, settings.confidence)
            found.append(ArmComparison(*names, paired))
        except Undefined as undefined:
            found.append(ArmComparison(*names, None, str(undefined)))
    return found


def _patients(rows: Sequence[Row], settings: EvaluationSettings) -> PatientScores:
    scores = [row[settings.headline] for row in rows]
    return by_patient([row["patient"] for row in rows], scores, abnormal(rows), settings.patient_score)


def _result(score: str, rows: Sequence[Row], settings: EvaluationSettings) -> ScoreResult:
    return score_result(score, [row["patient"] for row in rows], [row[score] for row in rows], abnormal(rows), settings)


def abnormal(rows: Sequence[Row]) -> list[bool]:
    """Whether each radiograph is abnormal."""
    return [row["domain"] == "abnormal" for row in rows]


def lesion_auc(rows: Sequence[Row]) -> float | None:
    """Mean over the radiographs of the pixel AUC of their lesions inside the lungs; None without lesion masks."""
    areas = [row["lesion_auc"] for row in rows if row.get("lesion_auc") is not None]
    return float(np.mean(areas)) if areas else None


def evaluation_rows(rows: Sequence[Row], settings: EvaluationSettings) -> list[dict[str, Any]]:
    """Rows of the evaluation table: split x arm x score, undefined measures as null with the reason."""
    table: list[dict[str, Any]] = []
    for split in ("validation", "test"):
        members = by_arm(rows, split)
        for arm in arm_results(rows, split, settings):
            found = lesion_auc(members[(arm.alignment, arm.method, arm.seed)])
            table.extend(_table_row(split, arm, result, found, settings) for result in arm.results)
    return table


def _table_row(
    split: str, arm: ArmResult, result: ScoreResult, found: float | None, settings: EvaluationSettings
) -> dict[str, Any]:
    interval = result.auc.interval if result.auc else None
    row: dict[str, Any] = {
        "arm": f"{arm.alignment}/{arm.method}",
        "alignment": arm.alignment,
        "method": arm.method,
        "seed": arm.seed,
        "score": result.score,
        "split": split,
        "headline": result.score == settings.headline,
        "normals": result.negatives,
        "abnormals": result.positives,
        "auc": result.auc.area if result.auc else None,
        "auc_low": interval.low if interval else None,
        "auc_high": interval.high if interval else None,
        "average_precision": result.average_precision,
        "sensitivity": result.sensitivity,
        "lesion_auc": found,
    }
    key = sha256(repr(row).encode()).hexdigest()[:32]
    status = {"status": "ok" if result.auc else "rejected", "reason": result.reason}
    return {**row, **status, "key": key, "artifact": "", "artifact_digest": ""}
