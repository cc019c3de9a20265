"""All measures of one score of an arm, with the reason where they are undefined."""

import numpy as np

from assets.evaluation.patients import PatientScores
from assets.evaluation.report_model import ScoreResult
from assets.evaluation.roc import Undefined, auc, average_precision, sensitivity_at
from assets.evaluation.settings import EvaluationSettings


def score_result(score: str, found: PatientScores, settings: EvaluationSettings) -> ScoreResult:
    """Evaluate one score over patients.

    Args:
        score: its name.
        found: the patients' scores, higher is more abnormal, and labels.
        settings: confidence and specificity.

    Returns:
        The measures, or a result without them that carries the reason.
    """
    positives = int(np.count_nonzero(found.labels))
    negatives = len(found.labels) - positives
    try:
        return ScoreResult(
            score,
            positives,
            negatives,
            auc(found.scores, found.labels, settings.confidence),
            average_precision(found.scores, found.labels),
            sensitivity_at(settings.specificity, found.scores, found.labels),
        )
    except Undefined as undefined:
        return ScoreResult(score, positives, negatives, None, None, None, str(undefined))
