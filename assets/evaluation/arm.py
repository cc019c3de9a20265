"""All measures of one score of an arm, with the reason where they are undefined."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from assets.evaluation.comparison import by_patient
from assets.evaluation.report_model import ScoreResult
from assets.evaluation.roc import Undefined, auc, average_precision, sensitivity_at
from assets.evaluation.settings import EvaluationSettings


def score_result(
    score: str, patients: Sequence[str], values: npt.ArrayLike, labels: npt.ArrayLike, settings: EvaluationSettings
) -> ScoreResult:
    """Evaluate one score over patients.

    Args:
        score: its name.
        patients: N identifiers, one a radiograph; used to group, never shown.
        values: (N,), higher is more abnormal.
        labels: (N,), true is abnormal.
        settings: aggregation, confidence and specificity.

    Returns:
        The measures, or a result without them that carries the reason.

    Raises:
        ValueError: lengths differ or labels are not binary.
    """
    grouped = by_patient(patients, values, labels, settings.patient_score)
    positives = int(np.count_nonzero(grouped.labels))
    negatives = len(grouped.labels) - positives
    try:
        return ScoreResult(
            score,
            positives,
            negatives,
            auc(grouped.scores, grouped.labels, settings.confidence),
            average_precision(grouped.scores, grouped.labels),
            sensitivity_at(settings.specificity, grouped.scores, grouped.labels),
        )
    except Undefined as undefined:
        return ScoreResult(score, positives, negatives, None, None, None, str(undefined))
