"""Rows of the report: single registrations measured, and the sharpness of their means."""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from assets.pairing.frames import FrameRows, Row, frame_key
from assets.peers.case import Case
from assets.prealignment.warp import quantize
from assets.registration_report.arms import ELSEWHERE
from assets.registration_report.mean_images import measured_lines, stored_lines
from assets.registration_report.measured import measure, timed
from assets.registration_report.registrations import Asked, Registrations, case_of, truth_of
from assets.registration_report.scene import Scene, inputs_of, settings_of
from assets.registration_report.settings import ArmName, ReportSettings
from assets.registration_report.truth import Truth
from assets.tables.common import CARRIED
from resources.incremental import Outcome, Task, row_key
from resources.manifests import fingerprint, read_artifact
from resources.memory import with_peak
from resources.stage_run import StageRun


def _outcome(scene: Scene, arm: ArmName, known: Callable[[], tuple[Case, Truth]]) -> Outcome:
    moving, truth = known()
    (displacement, ms), peak = with_peak(partial(timed, scene.ways[arm], moving))
    peak = None if arm in ELSEWHERE else peak
    back = scene.backs[arm](moving) if arm in scene.backs else None
    columns = measure(scene.reference, moving, displacement, truth, back)
    return Outcome({**columns, "ms": ms, "peak_mib": peak}, {"displacement": quantize(displacement)})


def report_tasks(run: StageRun, scene: Scene, rows: Sequence[Asked]) -> list[Task]:
    """One row for each radiograph and way, radiograph by radiograph."""
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


def gains_of(
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
