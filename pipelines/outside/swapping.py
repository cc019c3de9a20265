"""Left and right lung exchanged in a cohort's frame; apart, since it takes seconds to load and few ask for it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.pairing.frames import Frame
from assets.pairing.lung_swap import LungSwap, lung_swap, swapped, swapped_boxes
from resources.manifests import Place, read_artifact, require_current
from resources.object_store import ObjectStore


@dataclass(frozen=True)
class Exchange:
    """The exchange of a frame, for all that stands in it.

    Attributes:
        swap: where each pixel comes from.
    """

    swap: LungSwap

    def frame(self, frame: Frame) -> Frame:
        """A radiograph with its lungs exchanged."""
        return swapped(frame, self.swap)

    def boxes(self, boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Boxes (K, 4) on the other side."""
        return swapped_boxes(boxes, self.swap)


def exchange_of(store: ObjectStore, cohort: str) -> Exchange:
    """The exchange of a cohort's reference frame.

    Raises:
        FileNotFoundError: the cohort has no reference lung yet.
        CorruptArtifact: its artefact is missing or altered.
    """
    _, table = require_current(store, Place("reference_lung", cohort), ["artifact", "artifact_digest"])
    return Exchange(lung_swap(read_artifact(store, table.to_pylist()[0])["lungs"]))
