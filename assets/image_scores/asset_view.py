"""A scored radiograph with its map on its own canvas, as overlays and sheets show it."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from assets.images import F32
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, Row
from assets.scoring.anomaly_map import smooth_in_lung
from assets.scoring.native import native_map
from assets.translation.arms import parse_arm
from resources.manifests import read_artifact
from resources.object_store import ObjectStore


@dataclass(frozen=True)
class View:
    """How maps of a cohort are shown.

    Attributes:
        store: the object store.
        registration: carries maps between canvas and frame.
        sigma: smoothing for display, pixels at a side of 256.
    """

    store: ObjectStore
    registration: Registration
    sigma: float

    def on_canvas(self, scored: Row, rows: FrameRows) -> tuple[F32, F32]:
        """Map, smoothed for display, and lungs (S, S) on the radiograph's canvas; the lungs are 0 or 1.

        Args:
            scored: a row of the anomaly maps.
            rows: manifest rows of its radiograph.
        """
        read = partial(read_artifact, self.store)
        arrays = read(scored)
        smooth = smooth_in_lung(arrays["map"].astype(np.float32), arrays["lungs"], self.sigma)
        native = native_map(parse_arm(scored["arm"]).alignment, smooth, rows, self.registration, read)
        return native, (read(rows.lungs)["lungs"] > 0).astype(np.float32)
