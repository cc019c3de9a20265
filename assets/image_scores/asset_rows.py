"""The rows of a shard: what earlier stages say of every image, and boxes where nobody has looked for any."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

import pyarrow.compute as pc

from assets.alignments import peers_among
from assets.evaluation.choice import decided, validation_areas
from assets.image_scores.asset_decisions import deciding_rows
from assets.image_scores.asset_detections import DETECTING, Detector
from assets.image_scores.rows import IMAGE, Arm, Shard, Told, preferred, told_rows
from assets.image_scores.settings import ImageScoreSettings
from assets.localisation.asset_maps import ArmMaps
from assets.localisation.settings import LocalisationSettings
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, PEER_COLUMNS, PEER_STAGE
from assets.pairing.asset_pixels import cohort_registration
from assets.pairing.frames import Row, join, with_peers
from assets.scoring.score import SCORE_NAMES
from assets.translation.arms import parse_arm
from resources.incremental import Outcome, Status, Task, row_key
from resources.stage_run import StageRun
from resources.stage_settings import upstream_settings

PLACED = ("scale_x", "scale_y", "offset_x", "offset_y")
RADIOGRAPH = tuple(dict.fromkeys([*FRAME_COLUMNS["radiographs"], *IMAGE, *PLACED, "status", "reason"]))
SCORED = ("radiograph_id", "key", "status", "reason", "arm", "alignment", "method", "seed", *SCORE_NAMES)
STORED = ("artifact", "artifact_digest")
Name = tuple[str, str, int]


@dataclass(frozen=True)
class Images:
    """A shard's rows while they are brought up to date.

    Attributes:
        run: of the stage.
        settings: of this run.
        measured: detections that the localisation stage has found, by radiograph, arm and seed.
        detector: finds others.
        reference_key: of the cohort's reference lung.
    """

    run: StageRun
    settings: ImageScoreSettings
    measured: dict[Name, list[Row]]
    detector: Detector
    reference_key: str

    def task(self, told: Told) -> Task:
        """What is to be had of one row."""
        # A status is one of four by the schema of every manifest.
        outcome = Outcome(status=cast("Status", told.status), reason=told.reason)
        if told.scored is None or told.status != "ok":
            key = self._key(told, {}, [told.status, told.reason])
            return Task(key, {**told.columns, "detections": None}, lambda: outcome)
        scored = told.scored
        made_from = self.detector.made_from(scored, self.reference_key)
        found = self.measured.get((scored["radiograph_id"], scored["arm"], scored["seed"]))
        if found is not None or not self._looked_at(told):
            return Task(self._key(told, {}, made_from), {**told.columns, "detections": found}, lambda: outcome)
        chosen = self.detector.settings.model_dump(include=set(DETECTING))
        work = partial(self._detected, scored)
        return Task(self._key(told, chosen, made_from), told.columns, work)

    def _key(self, told: Told, settings: dict[str, Any], inputs: Sequence[str]) -> str:
        arm = [str(told.columns.get(name, "")) for name in ("arm", "seed")]
        row = (told.columns["radiograph_id"] or "", str(told.columns["row"]), *arm)
        return row_key(self.run.stage, self.run.version, settings, [*row, *inputs])

    def _looked_at(self, told: Told) -> bool:
        return self.settings.detections == "all" or (self.settings.detections == "best" and told.columns["best"])

    def _detected(self, scored: Row) -> Outcome:
        return Outcome({"detections": self.detector.detections(scored)})


def image_tasks(run: StageRun, settings: ImageScoreSettings) -> list[Task]:
    """Tasks of a shard, image by image, in the order of its radiographs."""
    tables = {stage: run.rows(stage, columns=[*FRAME_COLUMNS[stage], "status", "reason"]) for stage in FRAME_STAGES[1:]}
    radiographs = run.rows("radiographs", columns=RADIOGRAPH)
    scored = run.rows("anomaly_maps", columns=[*SCORED, *STORED])
    ok = [[row for row in rows if row["status"] == "ok"] for rows in (radiographs, *tables.values())]
    aside = {stage: [row for row in rows if row["status"] != "ok"] for stage, rows in tables.items()}
    deciding = deciding_rows(run)
    best = preferred(dict.fromkeys((row["arm"], row["seed"]) for row in scored), validation_areas(deciding))
    chosen = upstream_settings(run, "localisation", LocalisationSettings)
    registration = cache(partial(cohort_registration, run))
    # Recorded as read whether or not anything is looked for: the next run must not be taken for another one.
    run.rows("registration_model", run.cohort, ["key"])
    maps = ArmMaps.of(run, chosen.maps)
    arms = [*dict.fromkeys([*((row["arm"], row["seed"]) for row in scored), *maps.normals])]
    peers = _peers(run, arms)
    brought = with_peers(join(*ok).values(), [row for row in peers if row["status"] == "ok"])
    rows = {row.radiograph["radiograph_id"]: row for row in brought}
    detector = Detector(run, chosen, maps, rows, registration)
    images = Images(run, settings, _measured(run), detector, run.model("reference_lung")["key"])
    shard = Shard(radiographs, aside, scored, [row for row in peers if row["status"] != "ok"], arms)
    return [images.task(told) for told in told_rows(shard, decided(deciding), best)]


def _peers(run: StageRun, arms: Sequence[Arm]) -> list[Row]:
    """Rows after the peers that arms are in the frames of; nothing is read where there are none."""
    peers = peers_among(parse_arm(arm).alignment for arm, _ in arms)
    rows = run.rows(PEER_STAGE, columns=[*PEER_COLUMNS, "status", "reason"]) if peers else []
    return [row for row in rows if row["arm"] in peers]


def _measured(run: StageRun) -> dict[Name, list[Row]]:
    """Detections by radiograph, arm and seed, of the radiographs that they were looked for in."""
    table = run.table("localisation", columns=["radiograph_id", "arm", "seed", "detections"])
    known = table.filter(pc.is_valid(table["detections"])).to_pylist()
    return {(row["radiograph_id"], row["arm"], row["seed"]): row["detections"] for row in known}
