"""The rows of a shard: each radiograph read once, and measured by every arm and guess."""

from collections.abc import Callable
from functools import cache, lru_cache, partial

import numpy as np
import numpy.typing as npt

from assets.localisation.asset_guesses import guess_ways, training_heat
from assets.localisation.asset_maps import ArmMaps
from assets.localisation.asset_subject import Subject, Way
from assets.localisation.measured import measure
from assets.localisation.rows import corners, frame_of, in_source_pixels, is_drawn, measured_rows
from assets.localisation.settings import LocalisationSettings
from assets.localisation.truth import NoTruth, Truth, normal_truth, truth_of
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, peer_table
from assets.pairing.asset_pixels import cohort_registration
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, Row, frame_key, join, with_peers
from assets.tables.common import CARRIED
from resources.incremental import Outcome, Task, row_key
from resources.manifests import read_artifact
from resources.stage_run import StageRun

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

PLACED = ("width", "height", "scale_x", "scale_y", "offset_x", "offset_y", "has_lesion")
SCORED = ("radiograph_id", "key", "artifact", "artifact_digest", "arm", "alignment", "method", "seed")
ARM = ("arm", "alignment", "method", "seed")


def localised_tasks(run: StageRun, settings: LocalisationSettings) -> list[Task]:
    """Tasks of a shard, radiograph by radiograph; none where no radiograph of it has boxes or a lesion."""
    rows = measured_rows(list(_joined(run).values()), settings.normals)
    # Read, and so recorded, in any case: without it nobody could tell that a shard without findings is up to date.
    arms = _arms(run)
    if not rows:
        return []
    reference = cache(partial(cohort_registration, run))
    reference_key = str(run.model("reference_lung")["key"])
    maps, heat = ArmMaps.of(run, settings.maps), training_heat(run)
    peers = peer_table(run, {row["alignment"] for scored in arms.values() for row in scored})
    rows = rows if peers is None else with_peers(rows, peers.to_pylist())

    @lru_cache(maxsize=1)
    def subject(position: int) -> Subject:
        return _subject(run, rows[position], reference, settings)

    def tasks(position: int) -> list[Task]:
        row = rows[position]
        ways = [
            *_scored_ways(maps, row, arms.get(row.radiograph["radiograph_id"], []), reference_key),
            *guess_ways(row, heat, settings),
        ]
        return [_task(run, settings, row, way, partial(subject, position)) for way in ways]

    return [task for position in range(len(rows)) for task in tasks(position)]


def _task(
    run: StageRun, settings: LocalisationSettings, row: FrameRows, way: Way, subject: Callable[[], Subject]
) -> Task:
    chosen = settings.model_dump(exclude={"maps", "normals", "random_sigmas", "random_draws"})
    inputs = [row.radiograph["key"], row.lungs["key"], way.carried["arm"], str(way.carried["seed"]), *way.inputs]
    key = row_key(run.stage, run.version, {**chosen, "threshold": way.threshold}, inputs)
    carried = {name: row.radiograph[name] for name in CARRIED} | way.carried
    return Task(key, carried, partial(_outcome, subject, way, settings))


def _outcome(subject: Callable[[], Subject], way: Way, settings: LocalisationSettings) -> Outcome:
    try:
        known = subject()
    except NoTruth as reason:
        return Outcome(status="rejected", reason=str(reason))
    columns = measure(way.draw(known), known.truth, known.lungs > 0, way.threshold, settings)
    return Outcome(in_source_pixels(columns, known.truth.boxes, known.rows.radiograph))


def _joined(run: StageRun) -> dict[str, FrameRows]:
    columns = {**FRAME_COLUMNS, "radiographs": (*FRAME_COLUMNS["radiographs"], *PLACED)}
    return join(*(run.ok(stage, None, columns[stage]) for stage in FRAME_STAGES))


def _subject(
    run: StageRun, rows: FrameRows, reference: Callable[[], Registration], settings: LocalisationSettings
) -> Subject:
    lungs: U8 = read_artifact(run.store, rows.lungs)["lungs"]
    return Subject(rows, lungs, _truth(run, rows.radiograph, lungs.shape, settings), reference, run)


def _truth(run: StageRun, radiograph: Row, shape: tuple[int, ...], settings: LocalisationSettings) -> Truth:
    canvas = (shape[0], shape[1])
    if not is_drawn(radiograph):
        return normal_truth(canvas)
    lesion = read_artifact(run.store, radiograph)["lesion"] > 0 if radiograph["has_lesion"] else None
    boxes = corners(radiograph["boxes"])
    if radiograph["domain"] == "normal" and not boxes and lesion is not None and not lesion.any():
        return normal_truth(canvas)
    return truth_of(boxes, lesion, frame_of(radiograph), canvas, settings.smallest_share)


def _arms(run: StageRun) -> dict[str, list[Row]]:
    """Scored rows by radiograph."""
    found: dict[str, list[Row]] = {}
    for row in run.ok("anomaly_maps", columns=SCORED):
        found.setdefault(row["radiograph_id"], []).append(row)
    return found


def _scored_ways(maps: ArmMaps, row: FrameRows, arms: list[Row], reference_key: str) -> list[Way]:
    def draw(scored: Row, known: Subject) -> F32:
        return known.native(scored["alignment"], maps.frame_map(scored))

    return [
        Way(
            {name: scored[name] for name in ARM},
            [*maps.made_from(scored), *frame_key(scored["alignment"], row, reference_key)],
            partial(draw, scored),
            maps.threshold(scored),
        )
        for scored in arms
    ]
