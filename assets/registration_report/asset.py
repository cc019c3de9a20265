"""The registration report: every way of registering a cohort, measured on the same test radiographs."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import dagster as dg
import numpy as np
import pyarrow as pa
import torch

from assets.images import from_uint16
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, FRAMES_OF_COHORT
from assets.pairing.chosen_frames import join_chosen, rows_of
from assets.pairing.frames import FrameRows, Row, frame_key
from assets.peers.case import Align, Case
from assets.peers.settings import PeerSettings
from assets.peers.stored import PEERS, weights_of
from assets.pictures import to_png
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize
from assets.radiographs.declaration import parse_declaration
from assets.registration.asset_rows import trained_refiner
from assets.registration.inference import Refiner
from assets.registration.settings import RefinementSettings
from assets.registration_report.arms import ELSEWHERE, Methods, arms, chosen, inverses, trained_peer
from assets.registration_report.asked_ids import normal_ids, tested_ids
from assets.registration_report.mean_images import (
    MEASURED,
    gain_columns,
    measured_lines,
    stored_lines,
    stored_normals,
)
from assets.registration_report.measured import measure, one_thread, timed
from assets.registration_report.preview import arm_sheet, checkerboard_sheet, field_grid_sheet, mean_image_sheet
from assets.registration_report.registrations import Asked, Registrations, asked, case_of, truth_of
from assets.registration_report.scene import Scene, inputs_of, settings_of
from assets.registration_report.settings import ArmName, ReportSettings
from assets.registration_report.sharpness import Gain
from assets.registration_report.summary import arm_lines, arm_table, rounded
from assets.registration_report.truth import Truth
from assets.registration_report.verdicts import Verdict, lesions_preserved, no_folds, sharper_mean
from assets.tables.alignment import REGISTRATION_REPORT
from assets.tables.common import CARRIED
from resources.arrays import Arrays
from resources.dagster_shapes import PICTURE_BYTES, checked, column_schema, set_aside_table, table
from resources.incremental import Outcome, Task, row_key
from resources.manifests import fingerprint, read_artifact
from resources.memory import with_peak
from resources.partitions import COHORTS
from resources.planned import once
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.stage_settings import upstream_settings

VERSION = "3"
ARM_KINDS = {"arm": "string"} | dict.fromkeys(("registered", "asked", "steps"), "int")
GAIN_KINDS = {"of": "string", "arm": "string", "over": "string", "images": "int"} | dict.fromkeys(
    ("ratio", "low", "high"), "float"
)
SHEET_ROWS = 2


def _scene(run: StageRun, settings: ReportSettings, radiographs: pa.Table) -> Scene:
    row, model, learned = (run.model(stage) for stage in ("reference_lung", "registration_model", "registration_peers"))
    stored = read_artifact(run.store, row)
    refinement = upstream_settings(run, "registered_radiographs", RefinementSettings)
    methods = _methods(run, stored, (row, model, learned), refinement)
    itself = next(iter(rows_of(radiographs, [row["radiograph_id"]])), None)
    declaration = parse_declaration(run.mapping)
    phantom = (declaration.phantom or {}) if declaration.kind == "phantom" else None
    models: dict[ArmName, Row] = {**dict.fromkeys(PEERS, learned), "it_dpr": model}
    ways = _chosen(arms(methods), settings)
    return Scene(methods.reference, row, itself, phantom, ways, inverses(methods), models, refinement)


def _methods(run: StageRun, stored: Arrays, rows: tuple[Row, Row, Row], refinement: RefinementSettings) -> Methods:
    row, model, learned = rows
    prealignment = upstream_settings(run, "prealigned_radiographs", PrealignmentSettings)

    def bound() -> Refiner:
        return trained_refiner(model, read_artifact(run.store, model), row, stored, refinement, torch.device("cpu"))

    peers, their = read_artifact(run.store, learned), PeerSettings.model_validate_json(learned["settings"])
    return Methods(
        Case(from_uint16(stored["image"]), stored["lungs"]),
        reference_frame(stored["lungs"], prealignment),
        once(bound, f"{run.cohort}: the registration network cannot be used; run registration_model again"),
        {peer: trained_peer(weights_of(peers, peer), their) for peer in PEERS},
    )


def _chosen(ways: dict[ArmName, Align], settings: ReportSettings) -> dict[ArmName, Align]:
    try:
        return chosen(ways, settings.arms)
    except ValueError as error:
        raise dg.Failure(f"registration_report.arms: {error}", allow_retries=False) from None


def _outcome(scene: Scene, arm: ArmName, known: Callable[[], tuple[Case, Truth]]) -> Outcome:
    moving, truth = known()
    (displacement, ms), peak = with_peak(partial(timed, scene.ways[arm], moving))
    peak = None if arm in ELSEWHERE else peak
    back = scene.backs[arm](moving) if arm in scene.backs else None
    columns = measure(scene.reference, moving, displacement, truth, back)
    return Outcome({**columns, "ms": ms, "peak_mib": peak}, {"displacement": quantize(displacement)})


def _tasks(run: StageRun, scene: Scene, rows: Sequence[Asked]) -> list[Task]:
    read = partial(read_artifact, run.store)

    @lru_cache(maxsize=1)
    def known(position: int) -> tuple[Case, Truth]:
        row = rows[position]
        return case_of(row, read), truth_of(row.radiograph, scene.radiograph, scene.phantom, read)

    def task(position: int, arm: ArmName) -> Task:
        row = rows[position]
        key = row_key(run.stage, run.version, settings_of(scene, arm), inputs_of(scene, row, arm))
        carried = {name: row.radiograph[name] for name in CARRIED} | {"arm": arm}
        return Task(key, carried, partial(_outcome, scene, arm, partial(known, position)))

    return [task(position, arm) for position in range(len(rows)) for arm in scene.ways]


def _gains(
    run: StageRun,
    scene: Scene,
    normals: dict[str, list[FrameRows]],
    done: Registrations,
    settings: ReportSettings,
) -> list[Row]:
    """Sharpness of mean normal images, from the store where nothing that they are of has changed."""
    frames = {
        of: [key for row in rows for name in ("none", "it_pr", "it_dpr") for key in frame_key(name, row, "")]
        for of, rows in normals.items()
    }
    drawn = settings.model_dump(include={"resamples", "bootstrap_seed"})
    measured = [done.normals(), [row["key"] for row in done.rows]]
    key = fingerprint([run.version, drawn, scene.row["key"], frames, measured])
    path = f"{run.place.folder}/sharpness/{key}.json"
    stored = run.store.read_or_none(path)
    if stored is None:
        lungs = scene.reference.lungs
        lines = stored_lines(normals, lungs, done.read, settings) + measured_lines(done, lungs, settings)
        stored = json.dumps(lines).encode()
        run.store.write(path, stored)
    gains: list[Row] = json.loads(stored)
    return gains


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
        scene = _scene(run, settings, tables[0])
        tested = tested_ids(tables[:3], settings.radiographs)
        sources, lungs, prealigned = (rows_of(table, tested) for table in tables[:3])
        radiographs = asked(sources, lungs, prealigned, "test", settings.radiographs)
        with one_thread():
            done = run.refresh(_tasks(run, scene, list(radiographs.values())))
        rows = [row for row in done.rows if row["status"] == "ok"]
        registered = {str(arm): sum(row["arm"] == arm for row in rows) for arm in scene.ways}
        working = [arm for arm, count in registered.items() if count]
        registrations = Registrations(rows, working, radiographs, partial(read_artifact, run.store))
        gains = _gains(run, scene, normals, registrations, settings)
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
