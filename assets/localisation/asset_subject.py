"""A radiograph while its maps are measured, and the ways to get a map of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.alignments import Alignment
from assets.localisation.truth import Truth
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows
from assets.scoring.native import NativeGrid, carried_back, native_grid
from resources.manifests import read_artifact
from resources.stage_run import StageRun

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Subject:
    """A radiograph while its maps are measured.

    Attributes:
        rows: its manifest rows.
        lungs: (H, W) uint8 labels on its canvas.
        truth: where its findings are.
        reference: carries maps between canvas and frame.
        run: of this stage.
    """

    rows: FrameRows
    lungs: U8
    truth: Truth
    reference: Callable[[], Registration]
    run: StageRun
    _grids: dict[Alignment, NativeGrid] = field(default_factory=dict)

    def native(self, alignment: Alignment, frame_map: F32) -> F32:
        """A map of a frame on this radiograph's canvas."""
        if alignment not in self._grids:
            read = partial(read_artifact, self.run.store)
            self._grids[alignment] = native_grid(alignment, self.rows, self.reference(), read)
        return carried_back(frame_map, self._grids[alignment])


@dataclass(frozen=True)
class Way:
    """One way to get a map: an arm, or a guess.

    Attributes:
        carried: arm, alignment, method and seed.
        inputs: keys of what the map is made from, besides the radiograph and its lungs.
        draw: makes the map on the radiograph's canvas.
        threshold: see `measure`.
    """

    carried: dict[str, Any]
    inputs: list[str]
    draw: Callable[[Subject], F32]
    threshold: float | None = None
