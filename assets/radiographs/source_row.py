"""One radiograph as its source describes it."""

from dataclasses import dataclass, field

from assets.radiographs.cells import Box
from assets.radiographs.declaration import Domain
from assets.radiographs.lung_masks import EncodedLungs

UNLABELLED = "unlabelled"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One radiograph as the source describes it, not yet read.

    Attributes:
        number: 1-based row of the table (its header not counted) or of the sorted listing; reasons name rows by it.
        image: path below the root.
        lung_mask: path below the root, or None.
        lesion_mask: path below the root, or None.
        patient: id in the source's words; None where the DICOM header names the patient. Identifying.
        label: as the source says.
        domain: what the label means; None only together with a problem.
        boxes: (x, y, width, height, class) in source pixels.
        view: upper case, or None.
        sex: M, F or None.
        age: years, or None.
        true_aspect_wh: width / height before squashing, or None.
        problem: why the row cannot be used, naming neither file nor patient; None if it can.
        right_lung_mask: path of the patient's right lung below the root, only together with the left one's.
        left_lung_mask: the same of the left lung.
        encoded_lungs: run-length encoded masks, or None.
        mask_problem: why a published mask is left out though the radiograph is kept, naming neither file nor patient.
        may_be_held_out: whether its patient can be in test or validation.
    """

    number: int
    image: str = field(repr=False)
    lung_mask: str | None = field(repr=False)
    lesion_mask: str | None = field(repr=False)
    patient: str | None = field(repr=False)
    label: str
    domain: Domain | None
    boxes: tuple[Box, ...]
    view: str | None
    sex: str | None
    age: float | None
    true_aspect_wh: float | None
    problem: str | None
    right_lung_mask: str | None = field(default=None, repr=False)
    left_lung_mask: str | None = field(default=None, repr=False)
    encoded_lungs: EncodedLungs | None = field(default=None, repr=False)
    mask_problem: str | None = None
    may_be_held_out: bool = True

    @property
    def files(self) -> list[tuple[str, str | None]]:
        """What each file is and its path below the root; None for a mask that the row does not have.

        Sides are listed only where a row has them: keys of rows hang on the order and number of files.
        """
        paths = [("image", self.image), ("lung mask", self.lung_mask), ("lesion mask", self.lesion_mask)]
        sides = [("right lung mask", self.right_lung_mask), ("left lung mask", self.left_lung_mask)]
        return [*paths, *(side for side in sides if side[1] is not None)]

    @property
    def assigned_by(self) -> str:
        """What stands for the patient where split and shard are drawn; a row without one is drawn by itself."""
        return self.patient or self.image.strip() or f"row {self.number}"
