"""Every source's mask of one radiograph."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from assets.segmentation.cleanup import clean
from assets.segmentation.pbtseg import segment
from assets.segmentation.quality import lung_dices
from assets.segmentation.selection import Score
from assets.segmentation.settings import SegmentationSettings, Source
from assets.segmenter.crossfit import Together
from assets.segmenter.inference import labels_of
from assets.segmenter.trained import TrainedSegmenter

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class RowMasks:
    """Clean masks of one radiograph by source, each made once, when it is first asked for.

    Attributes:
        image: (H, W) in [0, 1].
        given: labels (H, W) as the cohort supplies them, None where it supplies none.
        segmenter: the cohort's, None where it has none.
        settings: of PBTSeg and the clean-up.
    """

    image: F32
    given: U8 | None
    segmenter: TrainedSegmenter | Together | None
    settings: SegmentationSettings

    @cached_property
    def supplied(self) -> U8 | None:
        """The cohort's own mask, sides told apart."""
        return None if self.given is None else clean(self.given, self.settings)

    @cached_property
    def trained(self) -> U8 | None:
        """The lung segmenter's mask."""
        return None if self._probabilities is None else clean(labels_of(self._probabilities), self.settings)

    @cached_property
    def pbtseg(self) -> U8:
        """PBTSeg's mask; lungs that it does not find are missing."""
        return clean(segment(self.image, self.settings), self.settings)

    @property
    def makers(self) -> dict[Source, Callable[[], U8 | None]]:
        """How each source's mask is had."""
        return {"supplied": lambda: self.supplied, "trained": lambda: self.trained, "pbtseg": lambda: self.pbtseg}

    @property
    def score(self) -> Score | None:
        """Quality of any mask of this radiograph; None where the segmenter has no score."""
        segmenter, probabilities = self.segmenter, self._probabilities
        if segmenter is None or segmenter.score is None or probabilities is None:
            return None
        return lambda lungs: segmenter.quality(lungs, probabilities)

    def agreement(self) -> dict[str, float | None]:
        """Dice of each lung of the network's and PBTSeg's mask with the supplied one, null where there is none."""
        truth = self.supplied
        trained, pbtseg = (None, None) if truth is None else (self.trained, self.pbtseg)
        dices = [
            (None, None) if mask is None or truth is None else lung_dices(mask, truth) for mask in (trained, pbtseg)
        ]
        return {
            "dice_trained_right": dices[0][0],
            "dice_trained_left": dices[0][1],
            "dice_pbtseg_right": dices[1][0],
            "dice_pbtseg_left": dices[1][1],
        }

    @cached_property
    def _probabilities(self) -> npt.NDArray[np.float32] | None:
        return None if self.segmenter is None else self.segmenter.probabilities(self.image)
