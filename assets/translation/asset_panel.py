"""The validation images that a run's translators are measured on, in each frame, with the twins that are known."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from assets.alignments import Alignment
from assets.images import F32, from_uint16
from assets.pairing.chosen_frames import common_ids, join_chosen
from assets.pairing.frames import Frame, FrameRows, frame
from assets.radiographs.declaration import parse_declaration
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.settings import RegistrationSettings
from assets.translation.asset_frames import FrameReader
from assets.translation.domain import prepare
from assets.translation.frame_maps import Registration, carried_difference, frame_displacement
from assets.translation.panel import LUNG, Imaged, Panel, Planted, no_planted
from assets.translation.planted import lesion_free, planted_opacities
from resources.manifests import Place, read_artifact, require_current
from resources.stage_run import StageRun


@dataclass(frozen=True)
class _Seen:
    """One prepared radiograph: tensors (1, 1, S, S)."""

    rows: FrameRows
    found: Frame
    image: Tensor
    mask: Tensor


@dataclass(frozen=True)
class PanelReader:
    """Reads the validation images of a run in a frame.

    Attributes:
        run: the stage's run.
        reader: reads a radiograph in a frame.
        abnormal: rows of the abnormal images.
        normal: rows of the normal images.
    """

    run: StageRun
    reader: FrameReader
    abnormal: Sequence[FrameRows]
    normal: Sequence[FrameRows]

    def panel(self, alignment: Alignment) -> Panel:
        """The images in a frame.

        Of a phantom cohort, lesions to be removed are the abnormal phantoms' own, whose lesion-free twins are drawn
        anew; of others, opacities are planted into the normal images.
        """
        abnormal, normal = (self._seen(alignment, rows) for rows in (self.abnormal, self.normal))
        own = self._imaged(abnormal)
        planted = self._phantoms(alignment, abnormal, own) if self._phantom() is not None else None
        real = self._imaged(normal)
        if planted is None:
            planted = planted_opacities(real, [each.rows.radiograph["radiograph_id"] for each in normal])
        return Panel(own, real, planted)

    def first(self, abnormal: int, normal: int) -> "PanelReader":
        """A reader of the first images alone."""
        return replace(self, abnormal=self.abnormal[:abnormal], normal=self.normal[:normal])

    def unplanted(self, alignment: Alignment) -> Panel:
        """The images in a frame, without any lesions to be removed."""
        abnormal, normal = (self._imaged(self._seen(alignment, rows)) for rows in (self.abnormal, self.normal))
        return Panel(abnormal, normal, no_planted(self.reader.size))

    def _seen(self, alignment: Alignment, rows: Sequence[FrameRows]) -> list[_Seen]:
        found = [self._prepared(alignment, each) for each in rows]
        return [each for each in found if each is not None]

    def _prepared(self, alignment: Alignment, rows: FrameRows) -> _Seen | None:
        found = frame(alignment, rows, self.reader.reference, partial(read_artifact, self.run.store))
        try:
            image, mask = prepare(found.image[None], found.lungs[None], self.reader.size)
        except ValueError as error:
            name = rows.radiograph["radiograph_id"]
            self.run.progress(f"validation radiograph {name} is left out of the measurements in {alignment}: {error}")
            return None
        # A small lung may vanish when an image is made smaller.
        return _Seen(rows, found, image, mask) if bool((mask >= LUNG).any()) else None

    def _imaged(self, seen: Sequence[_Seen]) -> Imaged:
        none = torch.empty(0, 1, self.reader.size, self.reader.size)
        return Imaged(
            torch.cat([none, *(each.image for each in seen)]), torch.cat([none, *(each.mask for each in seen)])
        )

    def _phantom(self) -> dict[str, object] | None:
        declaration = parse_declaration(self.run.mapping)
        return (declaration.phantom or {}) if declaration.kind == "phantom" else None

    def _phantoms(self, alignment: Alignment, abnormal: Sequence[_Seen], own: Imaged) -> Planted | None:
        twins = [self._twin(alignment, each) for each in abnormal]
        known = [twin for twin in twins if twin is not None]
        if not abnormal or len(known) < len(twins):
            self.run.progress(
                "no lesion-free twin of the validation phantoms is known (there are none, or the cohort was declared "
                "anew after they were drawn); opacities are planted into normal ones instead"
            )
            return None
        lesions = torch.cat([_lesion(each) for each in abnormal])
        return Planted(own.images, own.masks, torch.cat(known), lesions)

    def _twin(self, alignment: Alignment, seen: _Seen) -> Tensor | None:
        read = partial(read_artifact, self.run.store)
        stored, window = read(seen.rows.radiograph)["image"], seen.rows.lungs
        phantom = PhantomSettings.model_validate({**(self._phantom() or {}), "size": stored.shape[0]})
        healthy = lesion_free(seen.rows.radiograph["row"] - 1, phantom, stored)
        if healthy is None:
            return None
        displacement = frame_displacement(alignment, seen.rows, self.reader.reference, read, self._registration())
        window_ends = window["window_low"], window["window_high"]
        difference = carried_difference(healthy, from_uint16(stored), window_ends, displacement)
        image: F32 = np.clip(seen.found.image + difference, 0, 1).astype(np.float32)
        return prepare(image[None], seen.found.lungs[None], self.reader.size)[0]

    def _registration(self) -> Registration:
        # No parent of the translators: the registered rows that they are made from stand for it already.
        _, table = require_current(self.run.store, Place("registration_model", self.run.cohort))
        row = table.to_pylist()[0]
        settings = RegistrationSettings.model_validate_json(row["settings"])
        return Registration(settings, (row["roughness_typical"], row["roughness_limit"]))


def validation_rows(
    tables: Sequence[pa.Table], count: int, peers: pa.Table | None = None
) -> tuple[list[FrameRows], list[FrameRows]]:
    """The first validation radiographs of each domain by id: abnormal and normal, at most `count` each.

    Args:
        tables: of the four stages of `FRAME_STAGES`, with `FRAME_COLUMNS`.
        count: radiographs of each domain.
        peers: rows after peers; by default none are joined.
    """
    radiographs, *others = tables
    sides: list[list[FrameRows]] = []
    for domain in ("abnormal", "normal"):
        wanted = pc.and_(pc.equal(radiographs["split"], "validation"), pc.equal(radiographs["domain"], domain))
        chosen = common_ids([radiographs.filter(wanted), *others])[:count]
        sides.append(list(join_chosen(tables, chosen, peers).values()))
    return sides[0], sides[1]


def _lesion(seen: _Seen) -> Tensor:
    """(1, 1, S, S) in [0, 1]."""
    mask = np.zeros(seen.found.lungs.shape) if seen.found.lesion is None else seen.found.lesion
    return adaptive_avg_pool2d(torch.from_numpy(mask.astype(np.float32))[None, None], seen.image.shape[-1])
