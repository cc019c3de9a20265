"""What validation patients decide: which score speaks for an arm, and above which value it calls a patient abnormal.

Test patients have no say in either.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.evaluation.roc import Undefined, auc
from assets.evaluation.scored import ScoredArm
from assets.evaluation.settings import EvaluationSettings
from assets.scoring.score import SCORE_NAMES, ScoreName

# With fewer validation patients in a class the best of forty scores is the luckiest.
FEWEST = 5
USUAL: ScoreName = "score_mean"
ArmScore = tuple[str, int, str]


@dataclass(frozen=True)
class Decisions:
    """What was decided.

    Attributes:
        chosen: score by arm, whatever other arms there are; `USUAL` speaks for an arm that is not named.
        thresholds: by arm, seed and score; a patient above it is called abnormal. None where there was no
            validation normal, or a score of one is not finite.
    """

    chosen: Mapping[str, str]
    thresholds: Mapping[ArmScore, float | None]

    def score(self, arm: str) -> str:
        """The score that speaks for every seed of an arm."""
        return self.chosen.get(arm, USUAL)

    def threshold(self, arm: str, seed: int, score: str) -> float | None:
        """The value above which a patient is called abnormal, itself still normal; None where nothing decided it."""
        return self.thresholds.get((arm, seed, score))


def decide(validation: Sequence[ScoredArm], settings: EvaluationSettings) -> Decisions:
    """Choice of score and thresholds from every arm's validation patients."""
    seeds: dict[str, list[ScoredArm]] = {}
    for arm in validation:
        seeds.setdefault(arm.arm, []).append(arm)
    thresholds: dict[ArmScore, float | None] = {
        (arm.arm, arm.seed, score): threshold_at(settings.specificity, arm.scores(score)[~arm.groups.labels])
        for arm in validation
        for score in SCORE_NAMES
    }
    return Decisions({arm: chosen_score(members) for arm, members in seeds.items()}, thresholds)


def decided(rows: Iterable[Mapping[str, Any]]) -> Decisions:
    """Decisions as rows of the evaluation table hold them, of this cohort or of one that lends its models."""
    mine = list(rows)
    return Decisions(
        {row["arm"]: row["score"] for row in mine if row["chosen"]},
        {(row["arm"], row["seed"], row["score"]): row["threshold"] for row in mine},
    )


def validation_areas(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, int], float]:
    """Area of the score that speaks for an arm on validation patients, by arm and seed; by it arms are preferred.

    Args:
        rows: of the evaluation table; an arm with too few validation patients has no area.
    """
    return {
        (row["arm"], row["seed"]): row["auc"]
        for row in rows
        if row["chosen"] and row["split"] == "validation" and row["auc"] is not None
    }


def chosen_score(arms: Sequence[ScoredArm]) -> str:
    """The score with the highest mean validation area over an arm's seeds.

    Of equals the first in `SCORE_NAMES`; only scores that are defined in every seed are compared. `USUAL` where a
    seed has fewer than `FEWEST` patients in a class.
    """
    if min(min(arm.class_counts) for arm in arms) < FEWEST:
        return USUAL
    areas = {score: found for score in SCORE_NAMES if (found := _mean_area(arms, score)) is not None}
    # A sum may round differently from its equal.
    return max(areas, key=lambda score: round(areas[score], 9), default=USUAL)


def threshold_at(specificity: float, normals: npt.ArrayLike) -> float | None:
    """The smallest value that enough normals do not exceed.

    Args:
        specificity: share in (0, 1] of the normals.
        normals: (N,) scores of normal patients.

    Returns:
        One of the scores, so that "above" is strict; None without normals or where a score is not finite.
    """
    ranked = np.sort(np.asarray(normals, dtype=np.float64))
    if not ranked.size or not np.isfinite(ranked).all():
        return None
    # 0.9 times 10 is a little more than 9.
    return float(ranked[max(1, math.ceil(specificity * ranked.size - 1e-9)) - 1])


def _mean_area(arms: Sequence[ScoredArm], score: str) -> float | None:
    try:
        return float(np.mean([auc(arm.scores(score), arm.groups.labels).area for arm in arms]))
    except Undefined:
        return None
