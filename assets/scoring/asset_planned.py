"""The rows that a shard's maps are to have, and how missing ones are computed, a batch of an arm at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import pyarrow as pa
import torch

from assets.normal_maps.settings import NormalMapsSettings
from assets.normal_maps.stored import NormalMaps, normal_maps_of
from assets.pairing.asset_frames import joined_rows
from assets.pairing.frames import FrameRows, Row, frame_key
from assets.scoring.asset_arms import FramedRows, ReadyArm, ready_arm
from assets.scoring.asset_batches import Batches
from assets.scoring.framed import Mapped, arrays_of, measured
from assets.scoring.settings import ScoringSettings
from assets.tables.common import CARRIED
from assets.tables.translation import ANOMALY_MAPS
from assets.translation.arms import parse_arm
from resources.incremental import Outcome, row_key
from resources.manifests import fingerprint, read_artifact, read_previous
from resources.planned import Planned, once
from resources.stage_run import StageRun

BATCH = 16
SCORED_SPLITS = ("validation", "test")
ARM = ("arm", "alignment", "method", "seed")


@dataclass(frozen=True)
class ScoredArm:
    """A trained arm, ready for the radiographs of a shard.

    Attributes:
        ready: its translator.
        normals: its maps of held-out normals, None where it has none.
    """

    ready: ReadyArm
    normals: NormalMaps | None


@dataclass(frozen=True)
class Scoring:
    """What the rows of a run share.

    Attributes:
        run: the stage's run.
        settings: of the stage.
        reference: row of the reference lung.
        rows: radiographs to be scored, by id.
        trained: rows of the translators.
        normals: rows of the normal maps, by arm and seed; only those that are ok.
        device: where translators run.
    """

    run: StageRun
    settings: ScoringSettings
    reference: Row
    rows: Sequence[FrameRows]
    trained: Sequence[Row]
    normals: dict[tuple[str, int], Row]
    device: torch.device

    def planned(self) -> Planned:
        """Every radiograph with every arm whose frame has it, radiograph by radiograph."""
        pairs = [
            (place, number)
            for place, row in enumerate(self.rows)
            for number, trained in enumerate(self.trained)
            if row.has(trained["alignment"])
        ]
        keys = [self._key(self.rows[place], self.trained[number]) for place, number in pairs]
        missing = [pairs[position] for position in self._missing(keys)]
        frames = cache(lambda: FramedRows(self.run.store, read_artifact(self.run.store, self.reference)["lungs"]))
        batches = [
            Batches(
                [place for place, of_arm in missing if of_arm == number],
                BATCH,
                partial(self._outcomes, once(partial(self._arm, trained), self._unusable(trained)), frames),
            )
            for number, trained in enumerate(self.trained)
        ]

        def work(position: int) -> Outcome:
            place, number = pairs[position]
            return batches[number].take(place)

        return Planned(keys, self._carried(pairs), work)

    def _key(self, row: FrameRows, trained: Row) -> str:
        normals = self.normals.get((trained["arm"], trained["seed"]))
        usual = [] if normals is None else [normals["key"], normals["artifact_digest"]]
        frame = frame_key(parse_arm(trained["arm"]).alignment, row, self.reference["key"])
        # How maps are drawn decides no row.
        chosen = self.settings.model_dump(exclude={"display_sigma"})
        inputs = [trained["key"], trained["artifact_digest"], *usual, *frame]
        return row_key(self.run.stage, self.run.version, chosen, inputs)

    def _missing(self, keys: Sequence[str]) -> list[int]:
        """Positions that will have to be computed; one too many costs time and nothing else."""
        present = self.run.store.find(f"{self.run.place.folder}/artifacts")
        before = None if self.run.retry_failed else read_previous(self.run.store, self.run.place, ["key", "artifact"])
        rows = [] if before is None else before.to_pylist()
        aside = {row["key"] for row in rows if not row["artifact"]}
        place = self.run.place
        return [at for at, key in enumerate(keys) if key not in aside and place.artifact(key) not in present]

    def _carried(self, pairs: Sequence[tuple[int, int]]) -> pa.Table:
        arms = [{name: trained[name] for name in ARM} for trained in self.trained]
        subjects = [{name: row.radiograph[name] for name in CARRIED} for row in self.rows]
        rows = [subjects[place] | arms[number] for place, number in pairs]
        return pa.Table.from_pylist(rows, schema=pa.schema([ANOMALY_MAPS.field(name) for name in (*CARRIED, *ARM)]))

    def _unusable(self, trained: Row) -> str:
        return (
            f"{self.run.cohort}: the translator {trained['arm']} seed {trained['seed']} cannot be used; train it anew"
        )

    def _arm(self, trained: Row) -> ScoredArm:
        row = self.normals.get((trained["arm"], trained["seed"]))
        normals = None
        if row is not None:
            settings = NormalMapsSettings.model_validate_json(row["settings"])
            normals = normal_maps_of(read_artifact(self.run.store, row), settings)
        return ScoredArm(ready_arm(self.run.store, trained, self.device, both_ways=True), normals)

    def _outcomes(
        self, arm: Callable[[], ScoredArm], frames: Callable[[], FramedRows], numbers: Sequence[int]
    ) -> list[Outcome]:
        scored, rows = arm(), [self.rows[number] for number in numbers]
        found = frames().mapped(scored.ready, rows)
        return [self._outcome(scored, row, each) for row, each in zip(rows, found, strict=True)]

    def _outcome(self, scored: ScoredArm, row: FrameRows, found: Mapped) -> Outcome:
        usual = None
        if scored.normals is not None:
            name = fingerprint(frame_key(scored.ready.alignment, row, self.reference["key"]))
            usual = scored.normals.for_row(name, found)
        return Outcome(measured(found, usual, self.settings), arrays_of(found))


def scoring(run: StageRun, settings: ScoringSettings, device: torch.device) -> Scoring:
    """What a run of the stage is to score."""
    reference = run.model("reference_lung")
    trained = run.ok("translator", run.cohort)
    normals = {(row["arm"], row["seed"]): row for row in run.ok("normal_maps", run.cohort)}
    joined = joined_rows(run, run.partition, [row["alignment"] for row in trained]).values()
    rows = [row for row in joined if row.radiograph["split"] in SCORED_SPLITS]
    return Scoring(run, settings, reference, rows, trained, normals, device)
