"""What a report has stored and what it was made from: cases and truths of radiographs, registrations by arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from assets.images import F32
from assets.pairing.frames import FrameRows, Read, Row, frame
from assets.peers.case import Case
from assets.prealignment.warp import dequantize, warp_image
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration_report.truth import Drawn, Truth, phantom_displacement


def case_of(rows: FrameRows, read: Read) -> Case:
    """A radiograph as the arms are given it: its image through the window of its lungs."""
    own = frame("none", rows, np.empty((0, 0), np.uint8), read)
    return Case(own.image, own.lungs)


def truth_of(radiograph: Row, reference: Row | None, phantom: Mapping[str, object] | None, read: Read) -> Truth:
    """What is known of a radiograph and of where its anatomy lies in the reference.

    Args:
        radiograph: its manifest row.
        reference: row of the radiograph that is the reference; None for a mean shape, which has no landmarks.
        phantom: declared settings of a phantom cohort, None for a cohort of files.
        read: fetches a row's arrays.

    Raises:
        ValueError: the phantoms were rendered by other settings.
    """
    arrays = read(radiograph)
    lesion = arrays["lesion"] > 0 if "lesion" in arrays else None
    there = read(reference) if reference is not None else {}
    if reference is None or "landmarks" not in arrays or "landmarks" not in there:
        return Truth(lesion=lesion)
    marks = there["landmarks"], arrays["landmarks"]
    true = None
    if phantom is not None:
        settings = PhantomSettings.model_validate({**phantom, "size": arrays["image"].shape[0]})
        fixed, moving = (Drawn(row["row"] - 1, own) for row, own in zip((reference, radiograph), marks, strict=True))
        true = phantom_displacement(fixed, moving, settings)
    return Truth(marks[1], marks[0], lesion, true)


def one_a_patient(rows: Sequence[FrameRows]) -> list[FrameRows]:
    """Normal radiographs for mean images: the first of each patient, in the order given."""
    first: dict[str, FrameRows] = {}
    for row in rows:
        if row.radiograph["domain"] == "normal":
            first.setdefault(row.radiograph["patient"], row)
    return list(first.values())


@dataclass(frozen=True)
class Registrations:
    """Measured rows of a report with what they were made from.

    Attributes:
        rows: manifest rows of the report that are ok; their artefacts hold `displacement`.
        arms: in the order of the report.
        radiographs: upstream rows by radiograph id.
        read: fetches a row's arrays.
    """

    rows: Sequence[Row]
    arms: Sequence[str]
    radiographs: Mapping[str, FrameRows]
    read: Read = field(repr=False)

    @cached_property
    def by_id(self) -> dict[str, dict[str, Row]]:
        """Radiograph id -> arm -> row, of the radiographs that every arm registered."""
        found: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            found.setdefault(row["radiograph_id"], {})[row["arm"]] = row
        return {name: by_arm for name, by_arm in found.items() if set(by_arm) == set(self.arms)}

    def normals(self) -> list[str]:
        """Ids of the normal radiographs, one a patient."""
        chosen = one_a_patient([self.radiographs[name] for name in self.by_id])
        return [row.radiograph["radiograph_id"] for row in chosen]

    def displacements(self, ids: Sequence[str]) -> dict[str, list[F32]]:
        """Arm -> displacement (2, H, W) of each radiograph, px, backward, reference grid -> radiograph."""
        return {
            arm: [dequantize(self.read(self.by_id[name][arm])["displacement"]) for name in ids] for arm in self.arms
        }

    def warped(self, ids: Sequence[str]) -> dict[str, list[npt.NDArray[np.float32]]]:
        """Arm -> each radiograph (H, W) as that arm brought it to the reference; `none` is as it was."""
        images = [case_of(self.radiographs[name], self.read).image for name in ids]
        fields = self.displacements(ids)
        moved = {arm: list(map(warp_image, images, fields[arm])) for arm in self.arms}
        return {"none": images, **moved}
