"""Evaluation: every arm measured on test patients, beside what sees no disease, as table and report."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dagster as dg

from assets.evaluation.arms import Evaluated, arm_results, evaluated, evaluation_rows
from assets.evaluation.asset_report import ASIDE_STAGES, figures_of, report_of, set_aside
from assets.evaluation.choice import Decisions, decided
from assets.evaluation.report import render_report, summary_sentence
from assets.evaluation.report_model import ArmResult, Report
from assets.evaluation.report_rows import shortcut_results
from assets.evaluation.scored import SCORED_COLUMNS
from assets.evaluation.settings import EvaluationSettings, patient_score_of
from assets.pairing.frames import Row
from assets.tables.scores import EVALUATION
from resources.borrowed import borrowed_rows
from resources.dagster_shapes import column_schema, table
from resources.generation import remember_generation
from resources.incremental import Refreshed
from resources.partitions import COHORTS, SHARDS_BY_COHORT, all_shards_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "4"


@dg.asset(
    partitions_def=COHORTS,
    deps=[
        *(all_shards_of(stage) for stage in ASIDE_STAGES),
        "translator",
        all_shards_of("anomaly_maps"),
        "shortcut_audit",
    ],
    group_name="evaluation",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(EvaluationSettings),
    metadata=column_schema(EVALUATION),
    check_specs=[
        dg.AssetCheckSpec(
            "headline_above_shortcuts", asset="evaluation", description="The best arm exceeds the best shortcut"
        )
    ],
)
def evaluation(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """AUC of every arm on test patients with DeLong's interval on the logit scale, beside shortcuts; and the report."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(EvaluationSettings)
        _require_one_patient_score(run, settings)
        found = evaluated(run.ok_table("anomaly_maps", columns=SCORED_COLUMNS), settings, _lent(run, settings))
        done = unchanged(run, EVALUATION) or _measured(run, found)
        rows = done.rows
        arms = tuple(_timed(run, arm_results(found, found.test)))
        shortcuts = shortcut_results(run.rows("shortcut_audit", run.cohort))
        aside = set_aside(run)
        # Asked once all is read: by what this run has read it is told whether they would be the same.
        figures = run.kept_pictures() or figures_of(found, arms, shortcuts)
        report = report_of(run, found, rows, (arms, shortcuts), aside, figures)
        run.store.write(f"{run.place.folder}/report.html", render_report(report).encode())
        metadata = {
            "summary": summary_sentence(report),
            "arms": _shown(rows),
            "report": run.store.uri(f"{run.place.folder}/report.html"),
        }
        result = run.finish(done, EVALUATION, metadata, lambda: figures, [headline_above_shortcuts(report)])
        remember_generation(run.store, run.place)
        return result


def _measured(run: StageRun, found: Evaluated) -> Refreshed:
    rows = [{**row, "borrowed_from": found.settings.borrow_from} for row in evaluation_rows(found)]
    known = run.known_keys()
    fresh = sum(row["key"] not in known for row in rows)
    return Refreshed(rows, fresh, len(rows) - fresh, 0, 0.0)


def _require_one_patient_score(run: StageRun, settings: EvaluationSettings) -> None:
    """What stands beside the arms is condensed by the declaration, whatever this launch asks for."""
    declared = patient_score_of(run.mapping)
    if settings.patient_score != declared:
        raise dg.Failure(
            f"{run.cohort}: evaluation.patient_score is {settings.patient_score} in this launch and {declared} in the "
            "cohort's declaration, which shortcut_audit and leak_control follow; set it in the cohort file",
            allow_retries=False,
        )


def _lent(run: StageRun, settings: EvaluationSettings) -> Decisions | None:
    """What the lender's validation patients decided, None where this cohort's own do."""
    lender = settings.borrow_from
    return decided(borrowed_rows(run, lender, SHARDS_BY_COHORT, every_status=True)) if lender else None


def _timed(run: StageRun, arms: Sequence[ArmResult]) -> list[ArmResult]:
    """Arms with the time that their training took."""
    trained = run.rows("translator", run.cohort, ["arm", "seed", "seconds"])
    seconds = {(row["arm"], row["seed"]): row["seconds"] for row in trained}
    return [replace(arm, seconds=seconds.get((f"{arm.alignment}/{arm.method}", arm.seed))) for arm in arms]


def _shown(rows: list[Row]) -> dg.TableMetadataValue:
    kinds = {"arm": "string", "seed": "int", "score": "string", "auc": "float", "auc_low": "float", "auc_high": "float"}
    rest = {"normals": "int", "abnormals": "int", "threshold": "float", "balanced_accuracy": "float"}
    best_first = sorted((row for row in rows if row["headline"] and row["split"] == "test"), key=_area, reverse=True)
    return table(best_first, {**kinds, **rest, "lesion_auc": "float", "reason": "string"})


def _area(row: Row) -> float:
    return -1.0 if row["auc"] is None else float(row["auc"])


def headline_above_shortcuts(report: Report) -> dg.AssetCheckResult:
    """Check that the best arm exceeds every shortcut; passed, and said so, where there is nothing to be compared."""
    best, shortcut = report.best(), report.strongest()
    area = report.headline_auc(best) if best else None
    metadata: dict[str, Any] = {"best_arm": best.name if best else "none"}
    if area is not None:
        metadata["auc"] = round(area.area, 4)
    if shortcut is not None and shortcut.strength is not None:
        metadata |= {"best_shortcut": shortcut.name, "shortcut_auc": round(shortcut.strength, 4)}
    if area is None:
        metadata["note"] = "not judged: no arm has an area on test patients"
    elif shortcut is None or shortcut.strength is None:
        metadata["note"] = "not judged: no shortcut is defined"
    return dg.AssetCheckResult(
        check_name="headline_above_shortcuts",
        passed=area is None or (best is not None and report.exceeds_shortcuts(best)),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )
