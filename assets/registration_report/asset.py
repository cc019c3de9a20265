"""The registration report: every way of registering a cohort, measured on the same test radiographs."""

from functools import partial

import dagster as dg
import numpy as np

from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, FRAMES_OF_COHORT
from assets.pairing.chosen_frames import join_chosen, rows_of
from assets.pairing.frames import Row
from assets.peers.case import Case
from assets.pictures import to_png
from assets.registration_report.asked_ids import normal_ids, tested_ids
from assets.registration_report.asset_rows import gains_of, report_tasks
from assets.registration_report.asset_scene import scene_of
from assets.registration_report.mean_images import (
    MEASURED,
    gain_columns,
    stored_normals,
)
from assets.registration_report.measured import one_thread
from assets.registration_report.preview import arm_sheet, checkerboard_sheet, field_grid_sheet, mean_image_sheet
from assets.registration_report.registrations import Registrations, asked
from assets.registration_report.settings import ReportSettings
from assets.registration_report.sharpness import Gain
from assets.registration_report.summary import arm_lines, arm_table, rounded
from assets.registration_report.verdicts import Verdict, lesions_preserved, no_folds, sharper_mean
from assets.tables.alignment import REGISTRATION_REPORT
from resources.dagster_shapes import PICTURE_BYTES, checked, column_schema, set_aside_table, table
from resources.manifests import read_artifact
from resources.partitions import COHORTS
from resources.stage_config import config_schema
from resources.stage_run import Store, stage_run

VERSION = "3"
ARM_KINDS = {"arm": "string"} | dict.fromkeys(("registered", "asked", "steps"), "int")
GAIN_KINDS = {"of": "string", "arm": "string", "over": "string", "images": "int"} | dict.fromkeys(
    ("ratio", "low", "high"), "float"
)
SHEET_ROWS = 2


@dg.asset(
    partitions_def=COHORTS,
    deps=[*FRAMES_OF_COHORT, "registration_model", "registration_peers"],
    group_name="registration",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(ReportSettings),
    metadata=column_schema(REGISTRATION_REPORT),
    check_specs=[
        dg.AssetCheckSpec("measured", asset="registration_report", description="Few registrations fail"),
        dg.AssetCheckSpec("it_dpr_no_folds", asset="registration_report", description="IT-DPR folds no lung"),
        dg.AssetCheckSpec(
            "lesions_preserved", asset="registration_report", description="IT-DPR keeps lesions' area and contrast"
        ),
        dg.AssetCheckSpec(
            "sharper_mean", asset="registration_report", description="The mean of unseen normals sharpens at every step"
        ),
    ],
)
def registration_report(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Every arm on the same test radiographs: landmarks, lungs, folds, lesions, sharpness, time and memory."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(ReportSettings)
        tables = [run.ok_table(stage, columns=FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
        normals = stored_normals(join_chosen(tables, normal_ids(tables, settings.sharpened)), settings.sharpened)
        scene = scene_of(run, settings, tables[0])
        tested = tested_ids(tables[:3], settings.radiographs)
        sources, lungs, prealigned = (rows_of(table, tested) for table in tables[:3])
        radiographs = asked(sources, lungs, prealigned, "test", settings.radiographs)
        with one_thread():
            done = run.refresh(report_tasks(run, scene, list(radiographs.values())))
        rows = [row for row in done.rows if row["status"] == "ok"]
        registered = {str(arm): sum(row["arm"] == arm for row in rows) for arm in scene.ways}
        working = [arm for arm, count in registered.items() if count]
        registrations = Registrations(rows, working, radiographs, partial(read_artifact, run.store))
        gains = gains_of(run, scene, normals, registrations, settings)
        for row in done.rows:
            row |= gain_columns(row["arm"], gains)
        lines = arm_lines(registrations.common())
        by_arm = arm_table(registered, len(radiographs), scene.steps, lines)
        metadata = {
            "figures": table(rounded(by_arm), {name: ARM_KINDS.get(name, "float") for name in by_arm[0]}),
            "sharpness": table(rounded(gains), GAIN_KINDS),
            "set_aside": set_aside_table(done.rows),
        }
        checks = [
            checked("measured", done.rows, settings.share_set_aside),
            _check("it_dpr_no_folds", no_folds(rows)),
            _check("lesions_preserved", lesions_preserved(lines)),
            _check("sharper_mean", sharper_mean(gains)),
        ]
        return run.finish(
            done, REGISTRATION_REPORT, metadata, partial(_pictures, scene.reference, registrations, gains), checks
        )


def _check(name: str, verdict: Verdict) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name=name, passed=verdict.passed, severity=dg.AssetCheckSeverity.WARN, metadata=dict(verdict.figures)
    )


def _pictures(reference: Case, done: Registrations, gains: list[Row]) -> dict[str, bytes]:
    """The first radiographs and the mean of the measured normals, by arm."""
    first, normals, sheets = list(done.by_id)[:SHEET_ROWS], done.normals(), {}
    if first:
        warped, fields = done.warped(first), done.displacements(first)
        shown = {arm: warped[arm] for arm in done.arms}
        sheets["arms"] = arm_sheet(shown, reference.lungs)
        sheets["checkerboards"] = checkerboard_sheet(shown, reference.image, reference.lungs)
        grids = {arm: each[0] for arm, each in fields.items()}
        sheets["fields"] = field_grid_sheet({arm: each[0] for arm, each in shown.items()}, grids)
    if normals:
        means = {arm: np.mean(np.stack(images), axis=0) for arm, images in done.warped(normals).items()}
        known = {row["arm"]: Gain(row["ratio"], row["low"], row["high"]) for row in gains if row["of"] == MEASURED}
        sheets["mean images"] = mean_image_sheet(means, known, reference.lungs)
    return {name: to_png(sheet, PICTURE_BYTES) for name, sheet in sheets.items()}
