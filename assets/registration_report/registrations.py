"""What a report has stored and what it was made from: cases and truths of radiographs, registrations by arm."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from assets.images import F32, from_uint16
from assets.pairing.frames import Read, Row
from assets.peers.case import Case
from assets.prealignment.warp import dequantize, warp_image
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.photometric import apply_window
from assets.registration_report.truth import Drawn, Truth, phantom_displacement


@dataclass(frozen=True)
class Asked:
    """Manifest rows of a radiograph that every arm is asked to register, up to IT-PR.

    IT-DPR's own row is none of them: a radiograph on which that stage failed is asked for, too.
    """

    radiograph: Row
    lungs: Row
    prealigned: Row


def asked(
    radiographs: Sequence[Row], lungs: Sequence[Row], prealigned: Sequence[Row], split: str, at_most: int
) -> dict[str, Asked]:
    """The first radiographs of a split that have a row in all three stages, by id and in its order."""
    by_stage = [{row["radiograph_id"]: row for row in rows} for rows in (radiographs, lungs, prealigned)]
    common = sorted(set.intersection(*(set(stage) for stage in by_stage)))
    found = {name: Asked(*(stage[name] for stage in by_stage)) for name in common}
    return dict([each for each in found.items() if each[1].radiograph["split"] == split][:at_most])


def case_of(rows: Asked, read: Read) -> Case:
    """A radiograph as the arms are given it: its image through the window of its lungs."""
    image = from_uint16(read(rows.radiograph)["image"])
    window = rows.lungs["window_low"], rows.lungs["window_high"]
    return Case(apply_window(image, *window), read(rows.lungs)["lungs"])


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


def one_a_patient(radiographs: Sequence[Row]) -> list[str]:
    """Ids of normal radiographs for mean images: the first of each patient, in the order given."""
    first: dict[str, str] = {}
    for row in radiographs:
        if row["domain"] == "normal":
            first.setdefault(row["patient"], row["radiograph_id"])
    return list(first.values())


@dataclass(frozen=True)
class Registrations:
    """Measured rows of a report with what they were made from.

    Attributes:
        rows: manifest rows of the report that are ok; their artefacts hold `displacement`.
        arms: those that registered a radiograph or more, in the order of the report.
        radiographs: what they were asked to register, by radiograph id.
        read: fetches a row's arrays.
    """

    rows: Sequence[Row]
    arms: Sequence[str]
    radiographs: Mapping[str, Asked]
    read: Read = field(repr=False)

    @cached_property
    def by_id(self) -> dict[str, dict[str, Row]]:
        """Radiograph id -> arm -> row, of the radiographs that every arm registered."""
        found: dict[str, dict[str, Row]] = {}
        for row in self.rows:
            found.setdefault(row["radiograph_id"], {})[row["arm"]] = row
        return {name: by_arm for name, by_arm in found.items() if set(by_arm) == set(self.arms)}

    def common(self) -> list[Row]:
        """Rows of those radiographs alone: an arm that fails on hard ones does not look better for it."""
        return [row for row in self.rows if row["radiograph_id"] in self.by_id]

    def normals(self) -> list[str]:
        """Ids of the normal radiographs that every arm registered, one a patient."""
        return one_a_patient([self.radiographs[name].radiograph for name in self.by_id])

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
