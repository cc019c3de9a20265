"""What every stage in a common frame reads of a cohort or shard, and where it depends on that."""

import dagster as dg

from assets.pairing.frames import FrameRows, join
from assets.tables import CARRIED
from resources.partitions import all_shards_of, cohort_model
from resources.stage_run import StageRun

FRAME_STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
FRAMES_OF_COHORT = [
    *(all_shards_of(name) for name in FRAME_STAGES),
    dg.AssetDep("reference_lung"),
]
FRAMES_OF_SHARD = [
    *(dg.AssetDep(name) for name in FRAME_STAGES),
    cohort_model("reference_lung"),
]
_STORED = ("radiograph_id", "key", "artifact", "artifact_digest")
FRAME_COLUMNS = {
    "radiographs": ("row", *CARRIED, *_STORED[1:], "view", "sex", "age", "boxes"),
    "lung_masks": (*_STORED, "window_low", "window_high"),
    "prealigned_radiographs": _STORED,
    "registered_radiographs": _STORED,
}
"""What frames are made of, and what of a radiograph itself is asked for beside them."""


def joined_rows(run: StageRun, partition: str | None = None) -> dict[str, FrameRows]:
    """Radiographs of a shard, or of the whole cohort, that every frame can be made of; columns of `FRAME_COLUMNS`."""
    return join(*(run.ok(stage, partition, FRAME_COLUMNS[stage]) for stage in FRAME_STAGES))
