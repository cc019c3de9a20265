"""Phantoms small enough for the laws of the leak control."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from assets.leaks.settings import LeakSettings
from assets.prealignment.lung_coordinates import ReferenceFrame, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.render import Phantom
from assets.radiographs.phantom.settings import PhantomSettings

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

SIDE = 96
PHANTOMS = PhantomSettings(size=SIDE, subjects=64)
SETTINGS = LeakSettings(size=48, components=8, field_side=32, radiographs=40)
PERCENTILES = (1.0, 99.0)


@cache
def phantom(index: int) -> Phantom:
    """Even ones are normal."""
    return phantom_subject(index, 0, PHANTOMS)


@cache
def frame_of(index: int = 0) -> ReferenceFrame:
    """The lungs of a phantom as reference."""
    return reference_frame(phantom(index).lungs, PrealignmentSettings())


@dataclass(frozen=True)
class Seeing:
    """A segmenter that is sure of these lungs."""

    lungs: U8

    def probabilities(self, image: F32) -> F32:
        assert image.shape == self.lungs.shape
        one = np.stack([(self.lungs == label).astype(np.float32) for label in (1, 2)])
        return np.stack([one, one])
