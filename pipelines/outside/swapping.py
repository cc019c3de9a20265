"""Left and right lung exchanged in a cohort's frame; apart, since it takes seconds to load and few ask for it."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.pairing.frames import Frame
from assets.pairing.lung_swap import LungSwap, lung_swap, swapped, swapped_boxes
from pipelines.outside.manifest_rows import require_current_pairs
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


def exchange_of(store: ObjectStore, cohort: str, made_for: Collection[str]) -> Exchange:
    """The exchange of a cohort's reference frame.

    Args:
        store: the object store.
        cohort: the cohort's name.
        made_for: keys of the reference lungs that the pairs were made for.

    Raises:
        ValueError: the pairs were made for another reference lung.
        FileNotFoundError: the cohort has no reference lung yet.
        CorruptArtifact: its artefact is missing or altered.
    """
    _, table = require_current(store, Place("reference_lung", cohort), ["key", "artifact", "artifact_digest"])
    (reference,) = table.to_pylist()
    require_current_pairs(cohort, set(made_for) <= {reference["key"]})
    return Exchange(lung_swap(read_artifact(store, reference)["lungs"]))
