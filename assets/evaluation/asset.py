"""Evaluation: every arm measured on test patients, beside what sees no disease, as table and report."""

import json
from collections import Counter
from importlib.metadata import version
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.evaluation.arms import abnormal, arm_comparisons, arm_results, by_arm, evaluation_rows
from assets.evaluation.bootstrap import roc_band
from assets.evaluation.comparison import by_patient
from assets.evaluation.preview import ArmCurve, ForestRow, auc_forest, roc_figure
from assets.evaluation.report import render_report, summary_sentence
from assets.evaluation.report_model import ArmComparison, ArmResult, Picture, Report, SetAside, StageCount
from assets.evaluation.roc import roc_curve
from assets.evaluation.settings import EvaluationSettings
from assets.evaluation.shortcuts import (
    Shortcut,
    lung_area_ratio,
    mean_jacobian_deviation,
    mean_lung_intensity,
    shortcut_aucs,
    strongest,
)
from assets.images import from_uint16
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, FRAMES_OF_COHORT
from assets.pairing.chosen_frames import join_chosen
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.prealignment.warp import dequantize
from assets.tables import ANOMALY_MAPS, EVALUATION
from resources.dagster_shapes import PICTURE_BYTES, column_schema, table
from resources.incremental import Refreshed
from resources.manifests import Place, read_artifact, read_pointer
from resources.partitions import COHORTS, all_shards_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "1"
SCORED = [name for name in ANOMALY_MAPS.names if name not in ("reason", "artifact", "artifact_digest")]
PACKAGES = ("dagster", "torch", "numpy", "scikit-image", "SimpleITK", "pyarrow")
PICTURED = {
    "lung_masks": ("masks", "Lung masks, worst first"),
    "prealigned_radiographs": ("alignment", "IT-PR: before, after, and in turns with the reference"),
    "registered_radiographs": ("mean_image", "Mean image before and after IT-DPR"),
}


@dg.asset(
    partitions_def=COHORTS,
    deps=[
        *FRAMES_OF_COHORT,
        "translator",
        all_shards_of("anomaly_maps"),
    ],
    group_name="evaluation",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(EvaluationSettings),
    metadata=column_schema(EVALUATION),
    check_specs=[
        dg.AssetCheckSpec("above_shortcuts", asset="evaluation", description="The best arm exceeds the best shortcut")
    ],
)
def evaluation(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """AUC of every arm on test patients with DeLong's interval on the logit scale, beside shortcuts; and the report."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(EvaluationSettings)
        scored = run.ok("anomaly_maps", columns=SCORED)
        rows = evaluation_rows(scored, settings)
        arms = tuple(arm_results(scored, "test", settings))
        shortcuts = _shortcuts(run, settings)
        figures = run.kept_pictures() or _figures(scored, arms, shortcuts, settings)
        report = _report(run, settings, (arms, shortcuts, tuple(arm_comparisons(scored, "test", settings))), figures)
        run.store.write(f"{run.place.folder}/report.html", render_report(report).encode())
        known = run.known_keys()
        fresh = sum(row["key"] not in known for row in rows)
        metadata = {
            "summary": summary_sentence(report),
            "arms": _shown(rows),
            "report": run.store.uri(f"{run.place.folder}/report.html"),
        }
        done = Refreshed(rows, fresh, len(rows) - fresh, 0, 0.0)
        return run.finish(done, EVALUATION, metadata, lambda: figures, [_check(report)])


def _shown(rows: list[Row]) -> dg.TableMetadataValue:
    kinds = {"arm": "string", "seed": "int", "auc": "float", "auc_low": "float", "auc_high": "float", "normals": "int"}
    best_first = sorted((row for row in rows if row["headline"] and row["split"] == "test"), key=_area, reverse=True)
    return table(best_first, {**kinds, "abnormals": "int", "lesion_auc": "float", "reason": "string"})


def _area(row: Row) -> float:
    return -1.0 if row["auc"] is None else float(row["auc"])


def _shortcuts(run: StageRun, settings: EvaluationSettings) -> tuple[Shortcut, ...]:
    tables = [run.ok_table(stage, columns=FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
    tested = pc.equal(tables[0]["split"], "test")
    known = pc.is_in(tables[0]["domain"], value_set=pa.array(["normal", "abnormal"]))
    rows = list(join_chosen(tables, tables[0].filter(pc.and_(tested, known))["radiograph_id"].to_pylist()).values())
    if not rows:
        return ()
    reference = read_artifact(run.store, run.model("reference_lung"))["lungs"]
    measured: dict[str, list[float]] = {"lung area": [], "mean intensity in the lungs": [], "mean |det J - 1|": []}
    for row in rows:
        lungs = read_artifact(run.store, row.lungs)["lungs"]
        field = dequantize(read_artifact(run.store, row.prealigned)["displacement"])
        image = from_uint16(read_artifact(run.store, row.radiograph)["image"])
        measured["lung area"].append(lung_area_ratio(lungs))
        measured["mean intensity in the lungs"].append(mean_lung_intensity(image, lungs))
        measured["mean |det J - 1|"].append(mean_jacobian_deviation(field, reference))
    patients = [row.radiograph["patient"] for row in rows]
    truth = abnormal([row.radiograph for row in rows])
    grouped = {name: by_patient(patients, values, truth, "mean") for name, values in measured.items()}
    labels = next(iter(grouped.values())).labels
    return tuple(shortcut_aucs({name: item.scores for name, item in grouped.items()}, labels, settings.confidence))


def _figures(
    scored: list[Row], arms: tuple[ArmResult, ...], shortcuts: tuple[Shortcut, ...], settings: EvaluationSettings
) -> dict[str, bytes]:
    members = by_arm(scored, "test")
    rng = np.random.default_rng(settings.bootstrap_seed)
    curves: list[tuple[float, ArmCurve]] = []
    forest: list[ForestRow] = []
    for arm in arms:
        result = arm.result(settings.headline)
        forest.append(ForestRow(arm.name, result.auc if result else None))
        if result is None or result.auc is None:
            continue
        rows = members[(arm.alignment, arm.method, arm.seed)]
        patients = [row["patient"] for row in rows]
        grouped = by_patient(patients, [row[settings.headline] for row in rows], abnormal(rows), settings.patient_score)
        curve = roc_curve(grouped.scores, grouped.labels)
        band = roc_band(grouped.scores, grouped.labels, settings.resamples, settings.confidence, rng)
        curves.append((result.auc.area, ArmCurve(arm.name, curve, result.auc, band)))
    best_first = [curve for _, curve in sorted(curves, key=lambda item: -item[0])]
    plain = [ArmCurve(curve.label, curve.curve, curve.auc) for curve in best_first[1:8]]
    forest.extend(ForestRow(shortcut.name, shortcut.auc, shortcut=True) for shortcut in shortcuts)
    figures = {"roc": to_png(roc_figure([*best_first[:1], *plain]), PICTURE_BYTES)} if best_first else {}
    return {**figures, "forest": to_png(auc_forest(forest), PICTURE_BYTES)} if forest else figures


def _report(
    run: StageRun,
    settings: EvaluationSettings,
    found: tuple[tuple[ArmResult, ...], tuple[Shortcut, ...], tuple[ArmComparison, ...]],
    figures: dict[str, bytes],
) -> Report:
    arms, shortcuts, comparisons = found
    records = {place: read_pointer(run.store, Place(*place.split("@", 1))) for place in run.parents}
    known = {place: record for place, record in records.items() if record}
    counts = tuple(
        StageCount(place, *(record[name] for name in ("ok", "needs_review", "rejected", "failed", "seconds")))
        for place, record in known.items()
    )
    used = {place: record["settings"] for place, record in known.items()}
    return Report(
        cohort=run.cohort,
        created=f"manifests: {', '.join(sorted({str(record['created_at'])[:10] for record in known.values()}))}",
        headline=settings.headline,
        confidence=settings.confidence,
        specificity=settings.specificity,
        arms=arms,
        shortcuts=shortcuts,
        comparisons=comparisons,
        stages=counts,
        set_aside=_set_aside(run),
        pictures=_report_pictures(run, figures, arms),
        settings=json.dumps(used, indent=1, sort_keys=True),
        digests=run.parents,
        versions={name: version(name) for name in PACKAGES},
        notes=tuple([str(run.mapping["description"])] if run.mapping.get("description") else []),
    )


def _set_aside(run: StageRun) -> tuple[SetAside, ...]:
    found = Counter(
        (stage, f"{row['status']}: {row['reason']}")
        for stage in ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
        for row in run.rows(stage, columns=["status", "reason"])
        if row["status"] != "ok"
    )
    return tuple(SetAside(stage, reason, count) for (stage, reason), count in found.most_common(40))


def _report_pictures(run: StageRun, figures: dict[str, bytes], arms: tuple[ArmResult, ...]) -> tuple[Picture, ...]:
    captions = {"roc": "ROC curves of the headline score on test patients", "forest": "Areas with intervals by arm"}
    shown = [Picture(captions[name], captions[name], png, wide=name == "forest") for name, png in figures.items()]
    shard = next(key for key in run.parents if key.startswith("lung_masks@")).partition("@")[2]
    for stage, (name, caption) in PICTURED.items():
        png = run.store.read_or_none(f"{Place(stage, shard).folder}/pictures/{name}.png")
        shown.extend([Picture(caption, caption, png)] if png else [])
    for arm in [arm for arm in arms if arm.seed == min(other.seed for other in arms)]:
        name = f"maps-{arm.alignment}-{arm.method}-seed-{arm.seed}"
        png = run.store.read_or_none(f"{Place('anomaly_maps', shard).folder}/pictures/{name}.png")
        title = f"Anomaly maps of {arm.name}: test radiographs, lesions outlined where they are known"
        shown.extend([Picture(title, title, png)] if png else [])
    return tuple(shown)


def _check(report: Report) -> dg.AssetCheckResult:
    best, shortcut = report.best(), strongest(list(report.shortcuts))
    area = report.headline_auc(best) if best else None
    rival = shortcut.strength if shortcut else None
    metadata: dict[str, Any] = {"best_arm": best.name if best else "none"}
    if area is not None:
        metadata["auc"] = round(area.area, 4)
    if shortcut is not None and rival is not None:
        metadata |= {"best_shortcut": shortcut.name, "shortcut_auc": round(rival, 4)}
    return dg.AssetCheckResult(
        check_name="above_shortcuts",
        passed=area is not None and (rival is None or area.area > rival),
        severity=dg.AssetCheckSeverity.WARN,
        metadata=metadata,
    )
