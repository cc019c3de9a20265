"""The same radiograph's lungs as different masks draw them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.leaks.settings import Variant
from assets.segmentation.cleanup import clean
from assets.segmentation.quality import hull_of
from assets.segmentation.sources import RowMasks

U8 = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Lungs:
    """What is known of the lungs of one radiograph.

    Attributes:
        used: (H, W) labels that the cohort uses.
        masks: what the sources of masks make of it.
        exact: whether the supplied mask is the truth, as that of a phantom.
        lesion: (H, W), None where the cohort has none.
    """

    used: U8
    masks: RowMasks
    exact: bool = False
    lesion: Bools | None = None

    def variant(self, name: Variant) -> U8 | None:
        """Labels (H, W) of a variant; None where the radiograph has none of both lungs."""
        found = self._variant(name)
        return found if found is not None and (found == 1).any() and (found == 2).any() else None

    def _variant(self, name: Variant) -> U8 | None:
        if name == "used":
            return self.used
        if name == "convex":
            return convex(self.used)
        if name == "trained":
            return self.masks.trained
        if name == "pbtseg":
            return self.masks.pbtseg
        if name == "supplied":
            return None if self.exact else self.masks.supplied
        given = self.masks.given
        if name == "exact":
            return given if self.exact else None
        if given is None or self.lesion is None:
            return None
        # Cleaned as every source's mask is: a hole is closed again, a bite into the outline is not.
        return clean(np.where(self.lesion, np.uint8(0), given), self.masks.settings)


def convex(lungs: U8) -> U8:
    """Lungs (H, W) with each one's notches closed: whatever an outline leaves out of its hull is back in.

    No lung loses a pixel to the other one; what lies in both hulls and in neither lung is patient-right.
    """
    closed = lungs.copy()
    for label in (1, 2):
        side = lungs == label
        if side.any():
            closed[hull_of(side) & (closed == 0)] = label
    return closed
