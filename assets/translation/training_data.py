"""What a training is given: the images of both domains, and which of them belong together."""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from assets.translation.domain import support
from assets.translation.sampling import Batch

_LOOKED_AT_ONCE = 256


class Images(Protocol):
    """Images of one domain, in memory or elsewhere."""

    def __len__(self) -> int:
        """Number of images."""

    def rows(self, indices: Tensor) -> Batch:
        """The images of these rows, (N,) int64, on the CPU."""


@dataclass(frozen=True)
class TrainingData:
    """Images of both domains.

    Attributes:
        abnormal: images (N, 1, S, S) in [-1, 1], as `prepare` gives them, and where they have lung.
        normal: likewise.
        pairs: (P, 2) int64, rows of an abnormal and of a normal image that belong together; for `ON_PAIRS`.
    """

    abnormal: Images
    normal: Images
    pairs: Tensor | None = None


def in_memory(images: Tensor, masks: Tensor | None = None) -> Batch:
    """Images (N, 1, S, S) with their soft masks in [0, 1]; without masks the whole canvas counts as lung."""
    return Batch(images.float(), torch.ones_like(images, dtype=torch.bool) if masks is None else support(masks))


def require_usable(data: TrainingData, size: int, *, paired: bool) -> None:
    """Look at every image once, so that a training does not fail on one of them hours later.

    Args:
        data: what would be trained on.
        size: side S of the images.
        paired: the method needs `pairs`.

    Raises:
        ValueError: a domain is empty, an image has another shape, leaves [-1, 1] or is not finite, or pairs are
            missing or name rows that are not there.
    """
    for name, images in (("abnormal", data.abnormal), ("normal", data.normal)):
        if len(images) == 0:
            raise ValueError(f"{name}: there is no image in this domain; training needs at least one of each")
        for first in range(0, len(images), _LOOKED_AT_ONCE):
            rows = torch.arange(first, min(first + _LOOKED_AT_ONCE, len(images)))
            _require_images(name, images.rows(rows), rows, size)
    if paired:
        _require_pairs(data)


def _require_images(name: str, batch: Batch, rows: Tensor, size: int) -> None:
    expected, found = (len(rows), 1, size, size), (tuple(batch.images.shape), tuple(batch.inside.shape))
    if found != (expected, expected):
        raise ValueError(
            f"{name}: images and masks are {found[0]} and {found[1]}, expected {expected}; use `prepare` with the "
            "plan's size"
        )
    sound = ((batch.images >= -1) & (batch.images <= 1)).flatten(1).all(1)
    if not bool(sound.all()):
        row = int(rows[~sound][0])
        raise ValueError(f"{name}: row {row} leaves [-1, 1] or is not finite; use `prepare`, or set the image aside")


def _require_pairs(data: TrainingData) -> None:
    if data.pairs is None or len(data.pairs) == 0:
        raise ValueError("this method learns from pseudo-pairs, but there is none; pass rows of both domains as pairs")
    limits = torch.tensor([len(data.abnormal), len(data.normal)])
    if data.pairs.shape[1:] != (2,) or bool(((data.pairs < 0) | (data.pairs >= limits)).any()):
        raise ValueError(
            f"pairs are {tuple(data.pairs.shape)} and must be (P, 2) rows of {limits[0]} abnormal and {limits[1]} "
            "normal images"
        )
