"""A radiograph as the translators of one frame are given it, and the columns and arrays that scoring makes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.pairing.frames import Frame
from assets.scoring.anomaly_map import AnomalyMaps, anomaly_maps
from assets.scoring.lesion import lesion_measures
from assets.scoring.score import Contrast, Kind, regions, score_columns
from assets.scoring.settings import ScoringSettings
from assets.translation.domain import prepare
from assets.translation.moments import Usual
from assets.translation.panel import LUNG
from assets.translation.stored import unit
from assets.translation.watch import Translate

Arrays = dict[str, npt.NDArray[np.generic]]
F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Framed:
    """A radiograph in a frame.

    Attributes:
        image: (1, S, S) in [-1, 1], lungs only.
        mask: (1, S, S) in [0, 1], soft.
        lesion: (S, S) bool, None where the cohort has none.
    """

    image: Tensor
    mask: Tensor
    lesion: Mask | None


@dataclass(frozen=True)
class Mapped:
    """A radiograph with its translation and the maps between them.

    Attributes:
        framed: the radiograph.
        translated: (1, S, S) in [-1, 1].
        values: kind of map -> (S, S) float32, in units of an image in [0, 1], 0 outside the lungs.
        lungs: (S, S) bool.
        contrast: (S, S) float32, likewise but signed, see `AnomalyMaps.contrast`; None without a way to abnormal.
    """

    framed: Framed
    translated: Tensor
    values: Mapping[Kind, F32]
    lungs: Mask
    contrast: F32 | None = None


def framed(source: Frame, size: int) -> Framed:
    """A frame's image as networks of side `size` see it.

    Raises:
        ValueError: it cannot be prepared, for example because no lung lies in the frame.
    """
    images, masks = prepare(source.image[None], source.lungs[None], size)
    return Framed(images[0], masks[0], None if source.lesion is None else _lesion(source, size))


def _lesion(source: Frame, size: int) -> Mask:
    if source.lesion is None or not source.lesion.any():
        return np.zeros((size, size), np.bool_)
    _, soft = prepare(source.image[None], source.lesion[None].astype(np.uint8), size)
    return np.asarray(soft[0, 0].numpy() >= LUNG)


def mapped(
    batch: Sequence[Framed], translate: Translate, gain: F32 | None = None, to_abnormal: Translate | None = None
) -> list[Mapped]:
    """Translate radiographs of one frame together, and take the differences.

    Args:
        batch: one radiograph or more.
        translate: the translator of an arm.
        gain: (S, S), what a difference is worth at each pixel; 1 everywhere where none is given.
        to_abnormal: the arm's translator from normal to abnormal; without it there is no contrast.

    Raises:
        ValueError: a translation is no image in [-1, 1].
    """
    images, masks = torch.stack([item.image for item in batch]), torch.stack([item.mask for item in batch])
    translated = translate(images, masks)
    maps = anomaly_maps(images, translated, masks, gain)
    rows = [_row(maps, number, item, translated[number]) for number, item in enumerate(batch)]
    if to_abnormal is None:
        return rows
    contrast = maps.contrast(anomaly_maps(images, to_abnormal(images, masks), masks, gain))
    return [replace(row, contrast=values) for row, values in zip(rows, contrast, strict=True)]


def _row(maps: AnomalyMaps, number: int, item: Framed, translated: Tensor) -> Mapped:
    values: dict[Kind, F32] = {"absolute": maps.absolute[number], "positive": maps.positive[number]}
    return Mapped(item, translated, values, maps.lungs[number])


def measured(row: Mapped, usual: Mapping[Kind, Usual] | None, settings: ScoringSettings) -> dict[str, float]:
    """Columns of a radiograph: every score, and how well the absolute map finds its lesion, where it has one.

    Args:
        row: with its maps.
        usual: what the maps of normals are; without it there is no score in their spreads.
        settings: of the stage.

    Raises:
        ValueError: no pixel counts as lung.
    """
    columns: dict[str, float] = {}
    for of, region in regions(row.lungs, settings.core_margin).items():
        for kind, z, values in _read(row, usual):
            columns |= score_columns(values, region, kind, settings, z=z, of=of)
    lesion = row.framed.lesion
    return columns if lesion is None else columns | lesion_measures(row.values["absolute"], lesion, row.lungs)


def _read(row: Mapped, usual: Mapping[Kind, Usual] | None) -> list[tuple[Kind | Contrast, bool, F32]]:
    """What scores are read from: kind, whether in spreads of normals, and the map."""
    found: list[tuple[Kind | Contrast, bool, F32]] = [(kind, False, values) for kind, values in row.values.items()]
    if usual is not None:
        found += [(kind, True, usual[kind].z(values, row.lungs)) for kind, values in row.values.items()]
    return found if row.contrast is None else [*found, ("contrast", False, row.contrast)]


def arrays_of(row: Mapped) -> Arrays:
    """Maps in float16, images in 8 bits, lungs and lesion: what is kept of a radiograph."""
    image, translated = (unit(each[None])[0] for each in (row.framed.image, row.translated))
    arrays: Arrays = {
        "map": row.values["absolute"].astype(np.float16),
        "positive": row.values["positive"].astype(np.float16),
        "image": np.rint(image * 255).astype(np.uint8),
        "translated": np.rint(translated * 255).astype(np.uint8),
        "lungs": row.lungs.astype(np.uint8),
    }
    if row.framed.lesion is not None:
        arrays["lesion"] = row.framed.lesion.astype(np.uint8)
    return arrays
