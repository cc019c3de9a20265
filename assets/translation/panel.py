"""The validation images that a translator is measured on, the same ones throughout."""

from dataclasses import dataclass

import torch
from torch import Tensor

from assets.translation.watch import Translate

LUNG = 0.5
"""From this soft mask on a pixel counts as lung, here as in the anomaly maps."""


@dataclass(frozen=True)
class Imaged:
    """Images (N, 1, S, S) in [-1, 1] with their soft lung masks of that shape in [0, 1]."""

    images: Tensor
    masks: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int) -> "Imaged":
        """The first images."""
        return Imaged(self.images[:count], self.masks[:count])


@dataclass(frozen=True)
class Planted(Imaged):
    """Images with a lesion of which the lesion-free twin is known.

    Attributes:
        twins: the same images without the lesion, (N, 1, S, S) in [-1, 1].
        lesions: (N, 1, S, S) in [0, 1]; a pixel counts as lesion from 0.5 on.
    """

    twins: Tensor
    lesions: Tensor


@dataclass(frozen=True)
class Panel:
    """Validation images of one frame; any part may be empty."""

    abnormal: Imaged
    normal: Imaged
    planted: Planted


@dataclass(frozen=True)
class Translations:
    """G(x) of a panel's images, (N, 1, S, S) in [-1, 1] each."""

    abnormal: Tensor
    normal: Tensor
    planted: Tensor


def no_planted(size: int) -> Planted:
    """A panel's part where no lesion-free twin is known."""
    nothing = torch.empty(0, 1, size, size)
    return Planted(nothing, nothing, nothing, nothing)


def translations(panel: Panel, translate: Translate) -> Translations:
    """Every image of a panel translated, each once."""
    abnormal = _translated(panel.abnormal, translate)
    # Phantoms with a known twin are the panel's own abnormal images.
    shared = panel.planted.images is panel.abnormal.images
    planted = abnormal if shared else _translated(panel.planted, translate)
    return Translations(abnormal, _translated(panel.normal, translate), planted)


def _translated(imaged: Imaged, translate: Translate) -> Tensor:
    return translate(imaged.images, imaged.masks) if len(imaged) else imaged.images
