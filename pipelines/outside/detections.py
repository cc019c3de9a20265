"""Detections of images whose findings nobody has drawn: the localisation stage measures only against a truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.alignments import is_peer
from assets.localisation.asset_maps import ArmMaps
from assets.localisation.boxes import clipped
from assets.localisation.detection import detect
from assets.localisation.rows import CORNERS, canvas_of
from assets.localisation.settings import LocalisationSettings
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, PEER_COLUMNS, PEER_STAGE
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, join, with_peers
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.geometry import restore_boxes
from assets.registration.settings import RegistrationSettings
from assets.scoring.anomaly_map import smooth_in_lung
from assets.scoring.native import native_map
from assets.translation.arms import parse_arm
from resources.arrays import CorruptArtifact
from resources.manifests import Place, read_artifact, read_pointer, require_current
from resources.object_store import ObjectStore
from resources.stage_run import StageRun

Row = dict[str, Any]

STAGE = "localisation"


@dataclass
class Detector:
    """Finds what stands out of the anomaly maps of a shard.

    Attributes:
        store: the object store.
        shard: partition of the images.
        cohort: its cohort.
    """

    store: ObjectStore
    shard: str
    cohort: str

    def detections(self, radiograph: Row, scored: Row) -> list[Row] | None:
        """Boxes in pixels of the source image, highest score first, as the localisation stage would find them.

        Args:
            radiograph: its row, with size, scale and offset.
            scored: its row of the anomaly maps.

        Returns:
            None where the maps are to be compared with normals and the arm has too few of them.

        Raises:
            CorruptArtifact: an artefact is missing or altered.
        """
        read = partial(read_artifact, self.store)
        try:
            frame_map = self._maps.frame_map(scored)
        except CorruptArtifact:
            raise
        except ValueError:
            return None
        rows, alignment = self._joined[radiograph["radiograph_id"]], parse_arm(scored["arm"]).alignment
        if is_peer(alignment):
            (rows,) = with_peers([rows], self._peers)
        native = native_map(alignment, frame_map, rows, self._registration, read)
        lungs = read(rows.lungs)["lungs"] > 0
        smoothed = smooth_in_lung(native, lungs, self._settings.detection_sigma)
        limit = self._maps.threshold(scored)
        return _in_source(detect(native, smoothed, lungs, limit, self._settings), radiograph)

    @cached_property
    def _joined(self) -> dict[str, FrameRows]:
        columns = [list(FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
        tables = [
            self._read(Place(stage, self.shard), [*names, "status"])
            for stage, names in zip(FRAME_STAGES, columns, strict=True)
        ]
        return join(*([row for row in table if row["status"] == "ok"] for table in tables))

    @cached_property
    def _peers(self) -> list[Row]:
        rows = self._read(Place(PEER_STAGE, self.shard), [*PEER_COLUMNS, "status"])
        return [row for row in rows if row["status"] == "ok"]

    @cached_property
    def _registration(self) -> Registration:
        (reference,) = self._read(Place("reference_lung", self.cohort))
        (model,) = self._read(Place("registration_model", self.cohort))
        pointer, _ = require_current(self.store, Place("prealigned_radiographs", self.shard), ["key"])
        chosen = PrealignmentSettings.model_validate(pointer["settings"])
        return Registration(
            reference_frame(read_artifact(self.store, reference)["lungs"], chosen),
            RegistrationSettings.model_validate_json(model["settings"]),
            (model["roughness_typical"], model["roughness_limit"]),
        )

    @cached_property
    def _maps(self) -> ArmMaps:
        run = StageRun(self.store, STAGE, "", self.shard, self.cohort, {}, {}, "", lambda line: None)
        rows = self._read(Place("normal_maps", self.cohort))
        return ArmMaps(run, self._settings.maps, {(row["arm"], row["seed"]): row for row in rows})

    @cached_property
    def _settings(self) -> LocalisationSettings:
        pointer = read_pointer(self.store, Place(STAGE, self.shard))
        return LocalisationSettings.model_validate(pointer["settings"] if pointer else {})

    def _read(self, place: Place, columns: Sequence[str] | None = None) -> list[Row]:
        rows: list[Row] = require_current(self.store, place, columns)[1].to_pylist()
        return rows


def _in_source(found: npt.NDArray[np.float64], radiograph: Row) -> list[Row]:
    canvas, whole = canvas_of(radiograph), (0.0, 0.0, float(radiograph["width"]), float(radiograph["height"]))
    placed = [(each[4], clipped(restore_boxes(each[None, :4], canvas), whole)) for each in found]
    return [
        {**dict(zip(CORNERS, map(float, box), strict=True)), "score": float(score)}
        for score, boxes in placed
        for box in boxes
    ]
