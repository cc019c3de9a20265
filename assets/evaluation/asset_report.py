"""What the evaluation's report is made from: figures, pictures of other stages, counts and settings."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pyarrow.compute as pc

from assets.evaluation.arms import Evaluated, arm_comparisons
from assets.evaluation.bootstrap import roc_band
from assets.evaluation.preview import ArmCurve, ForestRow, auc_forest, roc_figure
from assets.evaluation.report_model import ArmResult, Picture, Report, SetAside, ShortcutResult, StageCount
from assets.evaluation.report_rows import threshold_results
from assets.evaluation.roc import roc_curve
from assets.pairing.frames import Row
from assets.pictures import to_png
from resources.dagster_shapes import PICTURE_BYTES
from resources.manifests import Place, read_pointer
from resources.stage_run import StageRun

PACKAGES = ("dagster", "torch", "numpy", "scikit-image", "SimpleITK", "pyarrow")
ASIDE_STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
CURVES = 8
PICTURED = {
    "lung_masks": ("masks", "Lung masks, worst first"),
    "prealigned_radiographs": ("alignment", "IT-PR: before, after, and in turns with the reference"),
    "registered_radiographs": ("mean_image", "Mean image before and after IT-DPR"),
}


def figures_of(found: Evaluated, arms: tuple[ArmResult, ...], shortcuts: Sequence[ShortcutResult]) -> dict[str, bytes]:
    """ROC curves of the best arms, and all areas beside the shortcuts': PNG by name; none where nothing is measured."""
    settings = found.settings
    rng = np.random.default_rng(settings.bootstrap_seed)
    measured = [
        (result.auc, arm.name, scored.patients(arm.headline))
        for arm, scored in zip(arms, found.test, strict=True)
        if (result := arm.result(arm.headline)) is not None and result.auc is not None
    ]
    measured.sort(key=lambda item: -item[0].area)
    curves = [
        ArmCurve(name, roc_curve(patients.scores, patients.labels), area) for area, name, patients in measured[:CURVES]
    ]
    if measured:
        best = measured[0][2]
        band = roc_band(best.scores, best.labels, settings.resamples, settings.confidence, rng)
        curves[0] = replace(curves[0], band=band)
    forest = [ForestRow(arm.name, result.auc if (result := arm.result(arm.headline)) else None) for arm in arms]
    forest.extend(ForestRow(shortcut.name, shortcut.auc, shortcut=True) for shortcut in shortcuts)
    figures = {"roc": to_png(roc_figure(curves), PICTURE_BYTES)} if curves else {}
    return {**figures, "forest": to_png(auc_forest(forest), PICTURE_BYTES)} if forest else figures


def report_of(
    run: StageRun,
    found: Evaluated,
    rows: list[Row],
    results: tuple[tuple[ArmResult, ...], tuple[ShortcutResult, ...]],
    aside: tuple[SetAside, ...],
    figures: dict[str, bytes],
) -> Report:
    """What the report shows.

    Args:
        run: of the stage, which has read all that it stands on.
        found: the measured arms.
        rows: of the manifest.
        results: arms and shortcuts as they are shown.
        aside: what stages set aside.
        figures: PNG by name, see `figures_of`.
    """
    arms, shortcuts = results
    records = {place: read_pointer(run.store, Place(*place.split("@", 1))) for place in run.parents}
    known = {place: record for place, record in records.items() if record}
    counts = tuple(
        StageCount(place, *(record[name] for name in ("ok", "needs_review", "rejected", "failed", "seconds")))
        for place, record in known.items()
    )
    used = {place: record["settings"] for place, record in known.items()}
    chosen = found.settings.headline == "validation"
    return Report(
        cohort=run.cohort,
        created=f"manifests: {', '.join(sorted({str(record['created_at'])[:10] for record in known.values()}))}",
        headline="chosen on validation patients" if chosen else "fixed beforehand",
        confidence=found.settings.confidence,
        specificity=found.settings.specificity,
        arms=arms,
        shortcuts=shortcuts,
        comparisons=tuple(arm_comparisons(found)),
        thresholds=threshold_results(rows),
        stages=counts,
        set_aside=aside,
        pictures=_report_pictures(run, figures, arms),
        settings=json.dumps(used, indent=1, sort_keys=True),
        digests=run.parents,
        versions={name: version(name) for name in PACKAGES},
        notes=tuple([str(run.mapping["description"])] if run.mapping.get("description") else []),
    )


def set_aside(run: StageRun) -> tuple[SetAside, ...]:
    """Rows that stages set aside, counted by reason, the most frequent first."""
    found: Counter[tuple[str, str]] = Counter()
    for stage in ASIDE_STAGES:
        rows = run.table(stage, columns=["status", "reason"])
        aside = rows.filter(pc.not_equal(rows["status"], "ok")).group_by(["status", "reason"])
        for group in aside.aggregate([([], "count_all")]).to_pylist():
            found[stage, f"{group['status']}: {group['reason']}"] += group["count_all"]
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
