"""Translators made ready, and radiographs in their frames, read once for all arms of a frame."""

from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import torch

from assets.alignments import Alignment
from assets.pairing.frames import U8, FrameRows, Row, frame
from assets.scoring.framed import F32, Framed, Mapped, framed, mapped
from assets.translation.arms import parse_arm
from assets.translation.inference import translator_of
from assets.translation.presets import image_size
from assets.translation.settings import TranslationSettings
from assets.translation.stored import BACK, weights_of
from assets.translation.watch import Translate
from resources.manifests import read_artifact
from resources.object_store import ObjectStore

_READERS = 4
# More than two batches of every frame.
_KEPT = 160


@dataclass(frozen=True)
class ReadyArm:
    """A trained arm whose weights are in memory.

    Attributes:
        alignment: its frame.
        size: side of its images.
        translate: images and soft masks to translations.
        gain: (S, S), what a difference is worth at each pixel; None for 1.
        to_abnormal: images and soft masks to translations to abnormal; None where there is no such translator.
    """

    alignment: Alignment
    size: int
    translate: Translate
    gain: F32 | None
    to_abnormal: Translate | None = None


@dataclass
class FramedRows:
    """Radiographs in their frames; those that were read last are kept.

    Attributes:
        store: the object store.
        reference: (H, W) lungs of the cohort's reference.
    """

    store: ObjectStore
    reference: U8
    _kept: OrderedDict[tuple[str, Alignment, int], Framed] = field(default_factory=OrderedDict)

    def mapped(self, arm: ReadyArm, rows: Sequence[FrameRows]) -> list[Mapped]:
        """Radiographs translated by an arm together, with the maps between them.

        Raises:
            ValueError: a radiograph cannot be prepared, or a translation is no image.
        """
        return mapped(self._of(arm, rows), arm.translate, arm.gain, arm.to_abnormal)

    def _of(self, arm: ReadyArm, rows: Sequence[FrameRows]) -> list[Framed]:
        keys = [(row.radiograph["radiograph_id"], arm.alignment, arm.size) for row in rows]
        missing = [(key, row) for key, row in zip(keys, rows, strict=True) if key not in self._kept]
        with ThreadPoolExecutor(_READERS) as readers:
            read = list(readers.map(partial(self._read, arm), [row for _, row in missing]))
        self._kept |= {key: each for (key, _), each in zip(missing, read, strict=True)}
        found = [self._kept[key] for key in keys]
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found

    def _read(self, arm: ReadyArm, rows: FrameRows) -> Framed:
        source = frame(arm.alignment, rows, self.reference, partial(read_artifact, self.store))
        return framed(source, arm.size)


def ready_arm(store: ObjectStore, trained: Row, device: torch.device, *, both_ways: bool = False) -> ReadyArm:
    """The translator of a row of `translator`.

    Args:
        store: the object store.
        trained: the row.
        device: where it runs.
        both_ways: with its translator to abnormal, where it has one.

    Raises:
        CorruptArtifact: its artefact is missing or altered.
    """
    arm = parse_arm(trained["arm"])
    settings = TranslationSettings.model_validate_json(trained["settings"])
    arrays = read_artifact(store, trained)
    weights, back = weights_of(arrays), weights_of(arrays, BACK)
    gain = weights["gain"].numpy() if arm.method == "template" else None
    translate = translator_of(arm.method, weights, settings, device=device)
    to_abnormal = translator_of(arm.method, back, settings, device=device) if both_ways and back else None
    return ReadyArm(arm.alignment, image_size(settings), translate, gain, to_abnormal)
