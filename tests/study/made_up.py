"""Studies made up for tests: known areas, folds and seeds, without a store."""

from collections.abc import Mapping, Sequence

import numpy as np

from assets.evaluation.patients import PatientScores
from assets.evaluation.report_model import ShortcutResult
from assets.evaluation.roc import auc
from assets.study.fold_arm import FoldArm
from assets.study.member import Aside, Costs, Member
from assets.study.settings import StudyFile, parse_study

STUDY = {
    "name": "made_up",
    "title": "Made up",
    "cohort": "phantom",
    "protocols": [
        {"name": "gan", "folds": 2, "arms": ["none/cut", "it_pr/cut", "it_pr/pca"], "seeds": [0, 1]},
        {"name": "cheap", "folds": 3, "arms": ["none/pca", "it_pr/pca"], "seeds": [0]},
    ],
}
# How far abnormal patients lie above normal ones, in standard deviations.
SKILL = {"none/cut": 0.6, "it_pr/cut": 1.6, "none/pca": 0.5, "it_pr/pca": 1.0}
PATIENTS = 120


def study() -> StudyFile:
    """The study of two protocols."""
    return parse_study(STUDY)


def patients(rng: np.random.Generator, names: Sequence[str], skill: float, base: np.ndarray) -> PatientScores:
    """Scores of named patients, every other abnormal; `base` is what all arms see of each."""
    labels = np.array([int(name[1:]) % 2 == 1 for name in names])
    scores = base[[int(name[1:]) for name in names]] + 0.6 * rng.normal(size=len(names)) + skill * labels
    return PatientScores(list(names), scores, labels)


def members(found: StudyFile, seed: int = 0) -> dict[str, list[Member]]:
    """Every fold of every protocol with every arm."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=2 * PATIENTS)
    return {
        protocol.name: [
            _member(rng, base, cohort, fold, protocol.folds, _asked(protocol.arms, protocol.seeds))
            for fold, cohort in enumerate(found.fold_cohorts(protocol))
        ]
        for protocol in found.protocols
    }


def _asked(arms: Sequence[str], seeds: Sequence[int]) -> list[tuple[str, int]]:
    return [(arm, seed) for arm in arms for seed in (seeds if arm.endswith("cut") else seeds[:1])]


def _member(
    rng: np.random.Generator, base: np.ndarray, cohort: str, fold: int, folds: int, asked: Sequence[tuple[str, int]]
) -> Member:
    tested = [f"p{number}" for number in range(PATIENTS) if number // 2 % folds == fold]
    validated = [f"p{number}" for number in range(PATIENTS, PATIENTS + 40)]
    arms: Mapping[tuple[str, int], FoldArm] = {
        # a fold's and seed's own scale: scores of two folds must never be compared
        (arm, seed): scaled(
            FoldArm(
                "score_mean",
                patients(rng, validated, SKILL[arm], base),
                patients(rng, tested, SKILL[arm], base),
            ),
            10.0**fold,
            7.0 * seed + 100 * fold,
        )
        for arm, seed in asked
    }
    border = patients(rng, tested, 0.4, base)
    area = auc(border.scores, border.labels)
    return Member(
        cohort,
        arms=arms,
        costs={key: Costs(80, 12.5, 3000, 150.0) if key[0].endswith("cut") else Costs(80, 1.5) for key in arms},
        shortcuts=[
            ShortcutResult("border", "supervised", area, area.area),
            ShortcutResult("age", "supervised", None, None, "no column age"),
        ],
        tested={"normal": len(tested) // 2, "abnormal": len(tested) // 2},
        aside=[Aside("lung_masks", "abnormal", 2), Aside("lung_masks", "normal", 1)],
    )


def scaled(found: FoldArm, factor: float, shift: float) -> FoldArm:
    """The same ranking on another scale."""
    validation, test = (
        PatientScores(side.patients, factor * side.scores + shift, side.labels)
        for side in (found.validation, found.test)
    )
    return FoldArm(found.score, validation, test)
