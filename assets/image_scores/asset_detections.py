"""Detections of images whose findings nobody has drawn: the localisation stage measures only against a truth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

from assets.alignments import PEERS, USUAL, Alignment
from assets.localisation.asset_maps import ArmMaps
from assets.localisation.detection import detect
from assets.localisation.rows import detections_in_source
from assets.localisation.settings import LocalisationSettings
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, Row, frame_key
from assets.scoring.anomaly_map import smooth_in_lung
from assets.scoring.native import NativeGrid, carried_back, native_grid
from assets.translation.arms import parse_arm
from resources.arrays import CorruptArtifact
from resources.manifests import read_artifact
from resources.stage_run import StageRun

# Settings of the localisation stage that decide what is detected, besides its maps.
DETECTING = ("detection_sigma", "relative_threshold", "smallest_share", "detections")
# The frames of one radiograph: rows come radiograph by radiograph.
_GRIDS = len(USUAL) + len(PEERS)


@dataclass(frozen=True)
class Detector:
    """Finds what stands out of the anomaly maps of a shard.

    Attributes:
        run: of the stage.
        settings: that the localisation stage was run with.
        maps: the maps that are looked at.
        rows: radiographs that every usual frame can be made of, by id; with size, scale, offset and rows after peers.
        registration: carries maps between canvas and frame.
    """

    run: StageRun
    settings: LocalisationSettings
    maps: ArmMaps
    rows: Mapping[str, FrameRows]
    registration: Callable[[], Registration]

    def detections(self, scored: Row) -> list[Row] | None:
        """Boxes in pixels of the source image, highest score first, as the localisation stage would find them.

        Args:
            scored: a row of the anomaly maps.

        Returns:
            None where the maps are to be compared with normals and the arm has too few of them.

        Raises:
            CorruptArtifact: an artefact is missing or altered.
        """
        try:
            frame_map = self.maps.frame_map(scored)
        except CorruptArtifact:
            raise
        except ValueError:
            return None
        grid = self._grid(scored["radiograph_id"], parse_arm(scored["arm"]).alignment)
        native = carried_back(frame_map, grid)
        smoothed = smooth_in_lung(native, grid.lungs, self.settings.detection_sigma)
        found = detect(native, smoothed, grid.lungs, self.maps.threshold(scored), self.settings)
        return detections_in_source(found, self.rows[scored["radiograph_id"]].radiograph)

    def made_from(self, scored: Row, reference_key: str) -> list[str]:
        """What detections depend on besides these settings, for the key of a row."""
        frame = frame_key(parse_arm(scored["arm"]).alignment, self.rows[scored["radiograph_id"]], reference_key)
        return [*self.maps.made_from(scored), str(self.maps.threshold(scored)), *frame]

    @cached_property
    def _grid(self) -> Callable[[str, Alignment], NativeGrid]:
        read = partial(read_artifact, self.run.store)

        @lru_cache(_GRIDS)
        def grid(radiograph_id: str, alignment: Alignment) -> NativeGrid:
            return native_grid(alignment, self.rows[radiograph_id], self.registration(), read)

        return grid
