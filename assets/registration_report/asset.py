"""The registration report: every way of registering a cohort, measured on the same test radiographs."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import dagster as dg
import numpy as np
import torch

from assets.images import F32, from_uint16
from assets.pairing.asset import FRAMES_OF_COHORT, joined_rows
from assets.pairing.frames import Alignment, FrameRows, Row, frame, frame_key
from assets.peers.case import Align, Case
from assets.peers.settings import PeerSettings
from assets.peers.stored import PEERS, weights_of
from assets.pictures import to_png
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize
from assets.radiographs.declaration import parse_declaration
from assets.registration.asset import trained_refiner
from assets.registration_report.arms import ELSEWHERE, Methods, arms, chosen, inverses, trained_peer
from assets.registration_report.mean_images import gain_lines
from assets.registration_report.measured import measure, one_thread, timed
from assets.registration_report.preview import arm_sheet, checkerboard_sheet, field_grid_sheet, mean_image_sheet
from assets.registration_report.registrations import Registrations, case_of, one_a_patient, truth_of
from assets.registration_report.settings import ArmName, ReportSettings
from assets.registration_report.sharpness import Gain
from assets.registration_report.summary import arm_lines, preserved
from assets.registration_report.truth import Truth
from assets.tables import CARRIED, REGISTRATION_REPORT
from resources.arrays import Arrays
from resources.dagster_shapes import PICTURE_BYTES, column_schema, set_aside_table, table
from resources.incremental import Outcome, Task, row_key
from resources.manifests import Place, fingerprint, read_artifact, read_pointer
from resources.memory import with_peak
from resources.partitions import COHORTS, SHARDS_BY_COHORT
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "1"
# Frames that the stages before this one have stored of every radiograph: an arm, and what it is compared with.
FRAMES: tuple[Alignment, ...] = ("none", "lung_box", "it_pr", "it_dpr")
COMPARED = (
    ("lung_box", "none"),
    ("it_pr", "none"),
    ("it_dpr", "none"),
    ("it_pr", "lung_box"),
    ("it_dpr", "it_pr"),
)
SHARPER = (("it_pr", "none"), ("it_dpr", "it_pr"))
# Which radiographs a mean image is of.
ALL, MEASURED = "all normals", "measured normals"
GAIN_KINDS = {"of": "string", "arm": "string", "over": "string", "images": "int"} | dict.fromkeys(
    ("ratio", "low", "high"), "float"
)
SHEET_ROWS = 2


@dataclass(frozen=True)
class _Scene:
    """What all rows of a report share.

    Attributes:
        reference: image and lungs of the reference.
        row: its manifest row.
        radiograph: manifest row of the radiograph that is the reference, None for a mean shape.
        phantom: declared settings of a phantom cohort, None for a cohort of files.
        ways: the arms to measure.
        backs: the inverses of those that have their own.
        made_by: arm -> keys of the models that it uses.
    """

    reference: Case
    row: Row
    radiograph: Row | None
    phantom: dict[str, object] | None
    ways: dict[ArmName, Align]
    backs: dict[ArmName, Align]
    made_by: dict[str, list[str]]


def _scene(run: StageRun, settings: ReportSettings) -> _Scene:
    row, model, learned = (run.model(stage) for stage in ("reference_lung", "registration_model", "registration_peers"))
    stored = read_artifact(run.store, row)
    reference = Case(from_uint16(stored["image"]), stored["lungs"])
    methods = _methods(run, reference, stored, (row, model, learned))
    itself = {each["radiograph_id"]: each for each in run.ok("radiographs")}.get(row["radiograph_id"])
    declaration = parse_declaration(run.mapping)
    phantom = (declaration.phantom or {}) if declaration.kind == "phantom" else None
    made_by: dict[str, list[str]] = {peer: [learned["key"], learned["artifact_digest"]] for peer in PEERS}
    made_by["it_dpr"] = [model["key"], model["artifact_digest"]]
    return _Scene(reference, row, itself, phantom, _asked(arms(methods), settings), inverses(methods), made_by)


def _methods(run: StageRun, reference: Case, stored: Arrays, rows: tuple[Row, Row, Row]) -> Methods:
    row, model, learned = rows
    # IT-PR with the settings of the stage that stored its fields
    shard = Place("prealigned_radiographs", SHARDS_BY_COHORT[run.cohort][0])
    prealignment = PrealignmentSettings.model_validate((read_pointer(run.store, shard) or {})["settings"])
    peers, their = read_artifact(run.store, learned), PeerSettings.model_validate_json(learned["settings"])
    return Methods(
        reference,
        reference_frame(reference.lungs, prealignment),
        trained_refiner(model, read_artifact(run.store, model), row, stored, torch.device("cpu")),
        {peer: trained_peer(weights_of(peers, peer), their) for peer in PEERS},
    )


def _asked(ways: dict[ArmName, Align], settings: ReportSettings) -> dict[ArmName, Align]:
    try:
        return chosen(ways, settings.arms)
    except ValueError as error:
        raise dg.Failure(f"registration_report.arms: {error}", allow_retries=False) from None


def _outcome(scene: _Scene, arm: ArmName, known: Callable[[], tuple[Case, Truth]]) -> Outcome:
    moving, truth = known()
    (displacement, ms), peak = with_peak(partial(timed, scene.ways[arm], moving))
    peak = None if arm in ELSEWHERE else peak
    back = scene.backs[arm](moving) if arm in scene.backs else None
    columns = measure(scene.reference, moving, displacement, truth, back)
    return Outcome({**columns, "ms": ms, "peak_mib": peak}, {"displacement": quantize(displacement)})


def _tasks(run: StageRun, scene: _Scene, rows: Sequence[FrameRows]) -> list[Task]:
    read = partial(read_artifact, run.store)

    @lru_cache(maxsize=1)
    def known(position: int) -> tuple[Case, Truth]:
        row = rows[position]
        return case_of(row, read), truth_of(row.radiograph, scene.radiograph, scene.phantom, read)

    def task(position: int, arm: ArmName) -> Task:
        row = rows[position]
        own = {"it_pr": [row.prealigned["key"]], "it_dpr": [row.registered["key"]]}.get(arm, [])
        inputs = [row.radiograph["key"], row.lungs["key"], scene.row["key"], *own, *scene.made_by.get(arm, [])]
        key = row_key(run.stage, run.version, {"arm": arm}, inputs)
        carried = {name: row.radiograph[name] for name in CARRIED} | {"arm": arm}
        return Task(key, carried, partial(_outcome, scene, arm, partial(known, position)))

    return [task(position, arm) for position in range(len(rows)) for arm in scene.ways]


def _gains(run: StageRun, scene: _Scene, done: Registrations, settings: ReportSettings) -> list[Row]:
    """Sharpness of mean normal images: of the stored frames over all normals, of every arm over the measured ones."""
    normals = one_a_patient(list(done.radiographs.values()))[: settings.sharpened]
    frames = [key for row in normals for name in ("none", "it_pr", "it_dpr") for key in frame_key(name, row, "")]
    drawn = settings.model_dump(include={"resamples", "bootstrap_seed"})
    key = fingerprint([run.version, drawn, scene.row["key"], frames, [row["key"] for row in done.rows]])
    path = f"{run.place.folder}/sharpness/{key}.json"
    stored = run.store.read_or_none(path)
    if stored is None:
        lungs = scene.reference.lungs
        images: dict[str, list[F32]] = {
            name: [frame(name, row, lungs, done.read).image for row in normals] for name in FRAMES
        }
        over_none = [(arm, "none") for arm in done.arms if arm != "none"]
        lines = gain_lines(ALL, COMPARED, images, lungs, settings)
        lines += gain_lines(MEASURED, over_none, done.warped(done.normals()), lungs, settings)
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
        dg.AssetCheckSpec("it_dpr_no_folds", asset="registration_report", description="IT-DPR folds no lung"),
        dg.AssetCheckSpec(
            "lesions_preserved", asset="registration_report", description="IT-DPR keeps lesions' area and contrast"
        ),
        dg.AssetCheckSpec(
            "sharper_mean", asset="registration_report", description="The mean normal image sharpens at every step"
        ),
    ],
)
def registration_report(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Every arm on the same test radiographs: landmarks, lungs, folds, lesions, sharpness, time and memory."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(ReportSettings)
        joined = joined_rows(run)
        scene = _scene(run, settings)
        test = [row for row in joined.values() if row.radiograph["split"] == "test"]
        with one_thread():
            done = run.refresh(_tasks(run, scene, test[: settings.radiographs]))
        rows = [row for row in done.rows if row["status"] == "ok"]
        registrations = Registrations(rows, list(scene.ways), joined, partial(read_artifact, run.store))
        gains = _gains(run, scene, registrations, settings)
        for row in done.rows:
            row |= _gain_columns(row["arm"], gains)
        lines = arm_lines(rows)
        metadata = {
            "arms": _arm_table(lines),
            "sharpness": table(gains, GAIN_KINDS),
            "set_aside": set_aside_table(done.rows),
        }
        checks = [_no_folds(rows), _lesions_preserved(lines), _sharper_mean(gains)]
        return run.finish(
            done, REGISTRATION_REPORT, metadata, partial(_pictures, scene.reference, registrations, gains), checks
        )


def _gain_columns(arm: str, gains: list[Row]) -> Row:
    gain = next((each for each in gains if (each["of"], each["arm"]) == (MEASURED, arm)), {})
    names = {"sharpness": "ratio", "sharpness_low": "low", "sharpness_high": "high"}
    # None, too, must replace what a reused row holds from an earlier report
    return {column: gain.get(name) for column, name in names.items()}


def _arm_table(lines: dict[str, dict[str, float | None]]) -> dg.TableMetadataValue:
    rows = [{"arm": arm, **line} for arm, line in lines.items()]
    names = [name for name in REGISTRATION_REPORT.names if rows and name in rows[0]]
    return table(rows, {name: "string" if name == "arm" else "float" for name in names})


def _checked(name: str, passed: bool, metadata: dict[str, Any]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(check_name=name, passed=passed, severity=dg.AssetCheckSeverity.WARN, metadata=metadata)


def _no_folds(rows: list[Row]) -> dg.AssetCheckResult:
    shares = [row["folded_share"] for row in rows if row["arm"] == "it_dpr"]
    worst = max(shares, default=0.0)
    return _checked("it_dpr_no_folds", worst == 0.0, {"radiographs": len(shares), "largest_folded_share": worst})


def _lesions_preserved(lines: dict[str, dict[str, float | None]]) -> dg.AssetCheckResult:
    line = lines.get("it_dpr", {})
    ratios = {name: line.get(name) for name in ("lesion_area_ratio", "lesion_contrast_ratio")}
    kept = preserved(ratios)
    known = {name: ratio for name, ratio in ratios.items() if ratio is not None}
    return _checked("lesions_preserved", kept is not False, known or {"note": "no lesion masks with a known true map"})


def _sharper_mean(gains: list[Row]) -> dg.AssetCheckResult:
    lows = {
        f"{each['arm']} over {each['over']}": each["low"]
        for each in gains
        if each["of"] == ALL and (each["arm"], each["over"]) in SHARPER
    }
    return _checked("sharper_mean", len(lows) == len(SHARPER) and min(lows.values()) > 1, lows)


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
