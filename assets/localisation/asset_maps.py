"""The maps that are localised: those of scoring as they are, or in spreads above what is usual of normals."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from assets.localisation.settings import MapName
from assets.normal_maps.settings import NormalMapsSettings
from assets.normal_maps.stored import NormalMaps, normal_maps_of
from assets.pairing.frames import Row
from assets.scoring.score import Kind
from resources.manifests import read_artifact
from resources.stage_run import StageRun

F32 = npt.NDArray[np.float32]
Name = tuple[str, int]

STORED: dict[Kind, str] = {"absolute": "map", "positive": "positive"}


@dataclass(frozen=True)
class ArmMaps:
    """Reads maps of one name.

    Attributes:
        run: of a stage.
        name: which maps.
        normals: rows of the normal maps by arm and seed.
    """

    run: StageRun
    name: MapName
    normals: dict[Name, Row]
    _read: dict[Name, NormalMaps] = field(default_factory=dict)

    @classmethod
    def of(cls, run: StageRun, name: MapName) -> "ArmMaps":
        """Of a run's cohort; the normal maps are recorded as read by this run."""
        return cls(run, name, {(row["arm"], row["seed"]): row for row in run.rows("normal_maps", run.cohort)})

    @property
    def kind(self) -> Kind:
        """What the maps are of."""
        return "positive" if self.name.startswith("positive") else "absolute"

    @property
    def in_spreads(self) -> bool:
        """Whether the maps are compared with normals."""
        return self.name.endswith("_z")

    def threshold(self, scored: Row) -> float | None:
        """What few pixels of validation normals exceed; known of absolute maps alone, and not without normals."""
        row = self.normals.get((scored["arm"], scored["seed"]))
        return row["threshold"] if row and self.name == "absolute" else None

    def made_from(self, scored: Row) -> list[str]:
        """What a map is made from besides its radiograph, for the key of a row."""
        row = self.normals.get((scored["arm"], scored["seed"]))
        usual = [row["artifact_digest"] if row else ""] if self.in_spreads else []
        return [self.name, scored["key"], scored["artifact_digest"], *usual]

    def frame_map(self, scored: Row) -> F32:
        """The map (S, S) of a row of the anomaly maps, at least 0.

        Raises:
            ValueError: the arm has too few validation normals to be compared with.
        """
        arrays = read_artifact(self.run.store, scored)
        values: F32 = arrays[STORED[self.kind]].astype(np.float32)
        if not self.in_spreads:
            return values
        above = self._usual((scored["arm"], scored["seed"])).whole(self.kind).z(values, arrays["lungs"] > 0)
        return np.maximum(above, np.float32(0))

    def _usual(self, arm: Name) -> NormalMaps:
        if arm not in self._read:
            row = self.normals.get(arm)
            if row is None or row["status"] != "ok":
                raise ValueError(
                    f"localisation.maps is {self.name}, but {arm[0]} has no normal maps: see the reason in "
                    "normal_maps, or set localisation.maps to absolute or positive"
                )
            settings = NormalMapsSettings.model_validate_json(row["settings"])
            self._read[arm] = normal_maps_of(read_artifact(self.run.store, row), settings)
        return self._read[arm]
