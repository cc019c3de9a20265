"""What every stage in a common frame reads of a cohort or shard, and where it depends on that."""

from collections.abc import Iterable

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.alignments import peers_among
from assets.pairing.frames import FrameRows, join, with_peers
from assets.tables.common import CARRIED
from resources.partitions import all_shards_of, cohort_model
from resources.stage_run import StageRun

FRAME_STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
PEER_STAGE = "peer_registered"
FRAMES_OF_COHORT = [
    *(all_shards_of(name) for name in FRAME_STAGES),
    dg.AssetDep("reference_lung"),
]
FRAMES_OF_SHARD = [
    *(dg.AssetDep(name) for name in FRAME_STAGES),
    cohort_model("reference_lung"),
]
# Stages of arms, which may be in frames of peers.
ARM_FRAMES_OF_COHORT = [*FRAMES_OF_COHORT, all_shards_of(PEER_STAGE)]
ARM_FRAMES_OF_SHARD = [*FRAMES_OF_SHARD, dg.AssetDep(PEER_STAGE)]
_STORED = ("radiograph_id", "key", "artifact", "artifact_digest")
FRAME_COLUMNS = {
    "radiographs": ("row", *CARRIED, *_STORED[1:], "view", "sex", "age", "boxes"),
    "lung_masks": (*_STORED, "window_low", "window_high"),
    "prealigned_radiographs": _STORED,
    "registered_radiographs": _STORED,
}
"""What frames are made of, and what of a radiograph itself is asked for beside them."""


PEER_COLUMNS = (*_STORED, "arm")


def joined_rows(run: StageRun, partition: str | None = None, alignments: Iterable[str] = ()) -> dict[str, FrameRows]:
    """Radiographs of a shard, or of the whole cohort, that every usual frame can be made of.

    Args:
        run: of a stage.
        partition: a shard; by default those of the run.
        alignments: frames that will be asked for; rows of the peers among them are joined.

    Returns:
        By id, with columns of `FRAME_COLUMNS` and `PEER_COLUMNS`.
    """
    found = join(*(run.ok(stage, partition, FRAME_COLUMNS[stage]) for stage in FRAME_STAGES))
    peers = peer_table(run, alignments, partition)
    return found if peers is None else dict(zip(found, with_peers(found.values(), peers.to_pylist()), strict=True))


def peer_table(run: StageRun, alignments: Iterable[str], partition: str | None = None) -> pa.Table | None:
    """Rows after the peers among some frames, with `PEER_COLUMNS`; None, and nothing is read, where there are none."""
    peers = peers_among(alignments)
    if not peers:
        return None
    table = run.ok_table(PEER_STAGE, partition, PEER_COLUMNS)
    return table.filter(pc.is_in(table["arm"], value_set=pa.array(peers, pa.string())))
