"""Training images in the frame of an arm: prepared once, kept on the disk, read a batch at a time.

Only training reads the 16-bit codes that are kept there; measurements, pictures and maps take images as prepared.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import get_args
from weakref import WeakValueDictionary

import numpy as np
import torch
from torch import Tensor

from assets.alignments import Alignment
from assets.pairing.frames import U8, FrameRows, frame
from assets.translation.codes import codes_of, images_of
from assets.translation.domain import prepare, support
from assets.translation.sampling import Batch
from resources.manifests import read_artifact
from resources.object_store import ObjectStore
from resources.spilled_arrays import SpilledArray, require_temporary_room

_READERS = 4
_CHUNK = 256
# A code and whether it is in the lungs.
_BYTES_PER_PIXEL = 3


@dataclass(frozen=True)
class FrameReader:
    """Reads radiographs in a frame.

    Attributes:
        store: the object store.
        reference: (H, W) lungs of the cohort's reference.
        size: side S of the prepared images.
    """

    store: ObjectStore
    reference: U8
    size: int

    def tensors(self, alignment: Alignment, rows: Sequence[FrameRows]) -> tuple[Tensor, Tensor]:
        """Images (N, 1, S, S) in [-1, 1] and soft lung masks of radiographs.

        Raises:
            ValueError: a radiograph cannot be prepared; it is named by its id.
        """
        with ThreadPoolExecutor(_READERS) as readers:
            prepared = list(readers.map(partial(self._one, alignment), rows))
        images, masks = ([pair[part] for pair in prepared] for part in (0, 1))
        none = torch.empty(0, 1, self.size, self.size)
        return torch.cat([none, *images]), torch.cat([none, *masks])

    def _one(self, alignment: Alignment, rows: FrameRows) -> tuple[Tensor, Tensor]:
        found = frame(alignment, rows, self.reference, partial(read_artifact, self.store))
        try:
            return prepare(found.image[None], found.lungs[None], self.size)
        except ValueError as error:
            raise ValueError(f"radiograph {rows.radiograph['radiograph_id']} in {alignment}: {error}") from error


class SpilledImages:
    """Prepared images of one domain in temporary files; an `Images` of a training.

    Args:
        size: side S of the images.
    """

    def __init__(self, size: int) -> None:
        self._codes = SpilledArray((1, size, size), np.uint16)
        self._inside = SpilledArray((1, size, size), np.bool_)

    def __len__(self) -> int:
        """Number of images."""
        return len(self._codes)

    def append(self, images: Tensor, masks: Tensor) -> None:
        """Keep images (N, 1, S, S) in [-1, 1] and where their soft masks count as lung."""
        self._codes.append(codes_of(images))
        self._inside.append(support(masks).numpy())

    def rows(self, indices: Tensor) -> Batch:
        """The images of these rows, within 1.6e-5 of what was kept."""
        chosen = indices.numpy()
        return Batch(images_of(self._codes.rows(chosen)), torch.from_numpy(self._inside.rows(chosen)))


@dataclass(frozen=True)
class Domains:
    """Training images of one frame."""

    abnormal: SpilledImages
    normal: SpilledImages


@dataclass
class PreparedFrames:
    """Training images of each frame, prepared once for all arms that are trained in it one after another or at once.

    Attributes:
        reader: reads a radiograph in a frame.
        abnormal: rows of the abnormal domain.
        normal: rows of the normal domain.
    """

    reader: FrameReader
    abnormal: Sequence[FrameRows]
    normal: Sequence[FrameRows]
    _locks: dict[Alignment, Lock] = field(default_factory=lambda: {name: Lock() for name in get_args(Alignment)})
    # Those that a training still reads, and the newest: arms of one frame follow each other.
    _in_use: WeakValueDictionary[Alignment, Domains] = field(default_factory=WeakValueDictionary)
    _newest: Domains | None = None

    def of(self, alignment: Alignment) -> Domains:
        """Images of both domains in a frame.

        Raises:
            OSError: there is no room for them.
            ValueError: a radiograph cannot be prepared.
        """
        with self._locks[alignment]:
            found = self._in_use.get(alignment)
            if found is None:
                self._newest = None
                pixels = (len(self.abnormal) + len(self.normal)) * self.reader.size**2
                require_temporary_room(pixels * _BYTES_PER_PIXEL)
                found = Domains(self._spilled(alignment, self.abnormal), self._spilled(alignment, self.normal))
            self._newest = self._in_use[alignment] = found
            return found

    def _spilled(self, alignment: Alignment, rows: Sequence[FrameRows]) -> SpilledImages:
        images = SpilledImages(self.reader.size)
        for first in range(0, len(rows), _CHUNK):
            images.append(*self.reader.tensors(alignment, rows[first : first + _CHUNK]))
        return images
