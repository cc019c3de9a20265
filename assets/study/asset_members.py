"""Fold cohorts read from the store: what counts of each, and why the rest does not."""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from assets.evaluation.report_rows import shortcut_results
from assets.evaluation.scored import SCORED_COLUMNS, ScoredArm, scored_arms
from assets.evaluation.settings import EvaluationSettings
from assets.study.asset_beside import aside, leaks, localised, registration, tested
from assets.study.asset_reading import ok, problem_of, read
from assets.study.fold_arm import FoldArm
from assets.study.member import ArmSeed, Costs, Member
from assets.study.quality import TRANSLATION
from assets.translation.arms import is_gan, parse_arm
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from resources.manifests import Place, read_manifest, read_pointer
from resources.partitions import SHARDS_BY_COHORT
from resources.study_run import StudyRun

Row = dict[str, Any]
# A manifest of any of them is recorded as read, whether or not the member counts: another one is another table.
READ = ("translator", "evaluation", "shortcut_audit", "localisation_summary", "leak_control")
TRANSLATOR_COLUMNS = (
    "arm",
    "method",
    "seed",
    "status",
    "reason",
    "steps",
    "seconds",
    "trained_normal",
    "trained_abnormal",
    "settings",
    *TRANSLATION,
)


def read_member(run: StudyRun, cohort: str) -> Member:
    """A fold cohort as it stands; what is missing or made from something older has a problem instead of results."""
    for stage in READ:
        pointer = read_pointer(run.store, Place(stage, cohort))
        if pointer:
            run.parents[str(Place(stage, cohort))] = pointer["digest"]
    problem = problem_of(run, Place("evaluation", cohort)) if cohort in SHARDS_BY_COHORT else "not begun"
    trained = _trained(run, cohort)
    absent = {(row["arm"], row["seed"]): _why_not_scored(row, problem) for row in trained}
    if problem:
        return Member(cohort, problem, absent=absent)
    shards, done = SHARDS_BY_COHORT[cohort], [row for row in trained if row["status"] == "ok"]
    controlled, pointed = leaks(run, cohort), localised(run, shards)
    return Member(
        cohort,
        arms=_scored(run, cohort),
        absent=absent,
        costs={(row["arm"], row["seed"]): _costs(row) for row in done},
        shortcuts=shortcut_results(read(run, Place("shortcut_audit", cohort)).to_pylist()),
        tested=tested(run, shards),
        aside=tuple(aside(run, shards)),
        leaks=[] if isinstance(controlled, str) else controlled.to_pylist(),
        localised=None if isinstance(pointed, str) else pointed,
        registration=registration(run, shards),
        translation={(row["arm"], row["seed"]): {name: row[name] for name in TRANSLATION} for row in done},
        left_out=[found for found in (controlled, pointed) if isinstance(found, str)],
    )


def _scored(run: StudyRun, cohort: str) -> dict[ArmSeed, FoldArm]:
    evaluation = read_pointer(run.store, Place("evaluation", cohort)) or {}
    settings = EvaluationSettings.model_validate(evaluation["settings"])
    rows = read(run, Place("evaluation", cohort)).to_pylist()
    headline = {row["arm"]: row["score"] for row in rows if row["headline"]}
    tables = [ok(run, Place("anomaly_maps", key), SCORED_COLUMNS) for key in SHARDS_BY_COHORT[cohort]]
    return _fold_arms(pa.concat_tables(tables), headline, settings)


def _why_not_scored(row: Row, problem: str) -> str:
    if row["status"] != "ok":
        return str(row["reason"])
    return problem or "trained, not scored yet"


def _trained(run: StudyRun, cohort: str) -> list[Row]:
    table = read_manifest(run.store, Place("translator", cohort), TRANSLATOR_COLUMNS)
    return [] if table is None else table.to_pylist()


def _fold_arms(scored: pa.Table, headline: Mapping[str, str], settings: EvaluationSettings) -> dict[ArmSeed, FoldArm]:
    validation, test = (
        {(arm.arm, arm.seed): arm for arm in scored_arms(scored, split, settings.patient_score)}
        for split in ("validation", "test")
    )
    return {key: _fold_arm(validation.get(key), arm, headline[arm.arm]) for key, arm in test.items()}


def _fold_arm(validation: ScoredArm | None, test: ScoredArm, score: str) -> FoldArm:
    side = test.patients(score)
    return FoldArm(score, side.none() if validation is None else validation.patients(score), side)


def _costs(row: Row) -> Costs:
    images = row["trained_normal"] + row["trained_abnormal"]
    method = parse_arm(row["arm"]).method
    if not row["steps"] or not is_gan(method):
        return Costs(images, row["seconds"])
    batch = resolved(TranslationSettings.model_validate(json.loads(row["settings"])), method).batch
    # a step sees a batch of each class
    return Costs(images, row["seconds"], row["steps"], 2 * batch * row["steps"] / images if images else None)
