"""What pairs need of pixels: descriptors of radiographs, kept by shard, and boxes carried into the frame."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.images import F32
from assets.pairing.asset_frames import joined_rows
from assets.pairing.described import DESCRIPTION, carried_boxes, described
from assets.pairing.descriptor import nearness_vectors, similarity
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, Row
from assets.pairing.matching import Rows
from assets.pairing.pair_table import boxes_before
from assets.pairing.settings import PairingSettings
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.registration.settings import RegistrationSettings
from assets.tables.common import BOX
from resources.arrays import Arrays
from resources.keyed_arrays import keyed_arrays
from resources.manifests import read_artifact
from resources.stage_run import StageRun
from resources.stage_settings import upstream_settings

WORKERS = 4
MODELS = ("reference_lung", "registration_model")


@dataclass(frozen=True)
class PairedCohort:
    """A cohort's radiographs while its pairs are made.

    Attributes:
        run: of this stage.
        settings: of this run.
        rows: see `cohort_rows`.
        before: the previous manifest of this version, None where there is none.
    """

    run: StageRun
    settings: PairingSettings
    rows: pa.Table
    before: pa.Table | None

    def vectors(self, needed: Rows) -> F32:
        """What nearness is measured by."""
        found = self.descriptors(needed, ("after", "shape"))
        return nearness_vectors(found["after"], found["shape"], self.settings.shape_weight)

    def similarities(self, pairs: Rows) -> dict[str, npt.NDArray[np.float64]]:
        """Similarity of pairs before and after registration."""
        needed, places = np.unique(pairs, return_inverse=True)
        found = self.descriptors(needed, ("before", "after"))
        return {name: similarity(array, places.reshape(-1, 2)) for name, array in found.items()}

    def descriptors(self, needed: Rows, names: Sequence[str]) -> Arrays:
        """Some arrays of `described`, stacked over these rows; only radiographs that are new are read."""
        place = np.empty(self.rows.num_rows, dtype=np.intp)
        place[needed] = np.arange(len(needed))
        found: Arrays = {}
        for shard, mine in self._by_shard(needed):
            for name, array in self._described(shard, mine).items():
                if name in names:
                    whole = found.setdefault(name, np.empty((len(needed), *array.shape[1:]), array.dtype))
                    whole[place[mine]] = array
        return found

    def boxes(self, needed: Rows) -> pa.Array:
        """Boxes in the reference frame of every row of the table; those of other rows than these stay empty."""
        carried: list[list[Row]] = [[]] * self.rows.num_rows
        marked = pc.greater(pc.list_value_length(self.rows["canvas_boxes"]), 0).to_numpy(zero_copy_only=False)
        registration = cache(partial(cohort_registration, self.run))
        known = boxes_before(self.before)
        read = partial(read_artifact, self.run.store)
        for shard, mine in self._by_shard(needed[marked[needed]]):
            keys = dict(zip(mine.tolist(), self.rows["key"].take(mine).to_pylist(), strict=True))
            frames = self._frames(shard, {key for key in keys.values() if key not in known})
            for row, key in keys.items():
                moved = known.get(key)
                carried[row] = carried_boxes(registration(), frames[key], read) if moved is None else moved
        return pa.array(carried, pa.list_(BOX))

    def _by_shard(self, needed: Rows) -> list[tuple[str, Rows]]:
        shards = self.rows["shard"].take(needed).to_numpy(zero_copy_only=False)
        return [(str(shard), needed[shards == shard]) for shard in np.unique(shards)]

    def _described(self, shard: str, mine: Rows) -> Arrays:
        def compute(missing: Sequence[str]) -> list[Arrays]:
            frames = self._frames(shard, set(missing))
            with ThreadPoolExecutor(WORKERS) as pool:
                return list(pool.map(lambda key: described(frames[key], partial(read_artifact, run.store)), missing))

        run = self.run
        path = f"{run.place.folder}/descriptors/{shard.rpartition('/')[2]}.safetensors"
        present = self.rows.filter(pc.equal(self.rows["shard"], shard))["key"].to_pylist()
        return keyed_arrays(run.store, path, DESCRIPTION, self.rows["key"].take(mine).to_pylist(), present, compute)

    def _frames(self, shard: str, wanted: set[str]) -> dict[str, FrameRows]:
        """Rows of some radiographs of a shard by the key of their registered row."""
        if not wanted:
            return {}
        rows = joined_rows(self.run, shard).values()
        return {row.registered["key"]: row for row in rows if row.registered["key"] in wanted}


def cohort_registration(run: StageRun) -> Registration:
    """What carries points and maps between canvas and frame in this run's cohort; recorded as read by this run."""
    reference, model = (run.model(stage) for stage in MODELS)
    chosen = upstream_settings(run, "prealigned_radiographs", PrealignmentSettings)
    return Registration(
        reference_frame(read_artifact(run.store, reference)["lungs"], chosen),
        RegistrationSettings.model_validate_json(model["settings"]),
        (model["roughness_typical"], model["roughness_limit"]),
    )
