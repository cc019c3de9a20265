"""Radiographs and lungs as they are stored."""

from assets.images import F32, from_uint16
from assets.pairing.frames import Row
from assets.radiographs.photometric import apply_window
from assets.tables.common import CARRIED
from resources.manifests import read_artifact
from resources.stage_run import StageRun

# What makes a radiograph's pixels, and its lungs and their window, readable.
STORED = ("radiograph_id", "artifact", "artifact_digest")
MASK_COLUMNS = (*CARRIED, "key", "artifact", "artifact_digest", "window_low", "window_high")


def windowed(run: StageRun, radiograph: Row, lungs: Row) -> F32:
    """A radiograph's image through the window of its lungs."""
    image = from_uint16(read_artifact(run.store, radiograph)["image"])
    return apply_window(image, lungs["window_low"], lungs["window_high"])
