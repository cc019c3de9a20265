"""What an export says of itself: a mark that later exports know it by, and a text for people."""

import json
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.outside.rows import Alignment
from resources.object_store import ObjectStore

MARK = "export.json"
Format = Literal["folder", "coco", "scores"]
NOTICE = (
    "Research use only. Not a medical device: nothing in this folder may guide the care of a patient. "
    "The terms of the data that it was made from apply to it, too."
)
FRAMES: dict[Alignment, str] = {
    "none": "the canvas: the source image fitted into a square, not registered",
    "it_pr": "the common frame after IT-PR (closed-form lung coordinates)",
    "it_dpr": "the common frame after IT-DPR (deformable registration)",
}
CONTENT: dict[Format, str] = {
    "folder": """\
images/SPLIT/DOMAIN/ID.png    16-bit gray
lungs/SPLIT/DOMAIN/ID.png     1 the right lung of the patient, 2 the left, 0 neither
lesions/SPLIT/DOMAIN/ID.png   1 inside a lesion mask; no file where there is no mask
radiographs.parquet           one row a radiograph: its files, split, domain and label
pairs.parquet                 one row a pseudo-pair of these radiographs""",
    "coco": """\
images/SPLIT/DOMAIN/ID.png    16-bit gray
annotations.json              COCO boxes in pixels of these images
radiographs.parquet           one row a radiograph: its file, split, domain and label
An image without a box may be one that nobody annotated.""",
    "scores": """\
scores.parquet                one row an image of the scored splits and arm, and one for each image without a score""",
}


class ExportError(ValueError):
    """The folder cannot be exported to, or what was asked for cannot be exported."""


class Mark(BaseModel):
    """What `export.json` holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    made_by: Literal["pseudopair"] = Field(default="pseudopair", description="what made the folder")
    cohort: str = Field(description="the cohort's name")
    format: Format = Field(description="layout of the folder")
    alignment: Alignment = Field(description="frame of the images")
    split: str | None = Field(default=None, description="the split that was exported; null for all")
    complete: bool = Field(default=False, description="false while an export is under way, or after one was killed")
    manifests: dict[str, str] = Field(default_factory=dict, description="stage@partition -> digest of its manifest")
    counts: dict[str, int] = Field(default_factory=dict, description="what the folder holds")

    def write(self, target: ObjectStore) -> None:
        """Put the mark into the folder."""
        target.write(MARK, (json.dumps(self.model_dump(), indent=1, sort_keys=True) + "\n").encode())


def require_own(target: ObjectStore, mark: Mark, present: set[str]) -> None:
    """Refuse a folder that holds anything but an export of the same kind.

    Raises:
        ExportError: something else made it, or an export of another cohort, format or frame.
    """
    if not present:
        return
    data = target.read_or_none(MARK)
    try:
        before = None if data is None else Mark.model_validate_json(data)
    except ValidationError:
        before = None
    if before is None:
        raise ExportError("the folder is not empty and no export made it; give an empty or a new one")
    made, asked = ((one.cohort, one.format, one.alignment) for one in (before, mark))
    if made != asked:
        raise ExportError(f"the folder holds an export of {' '.join(made)}, not of {' '.join(asked)}; give another one")


def readme(mark: Mark, citation: str) -> str:
    """Text for people: what lies where, what it was made from, what it may be used for."""
    frame = "" if mark.format == "scores" else f"Frame: {FRAMES[mark.alignment]}.\n"
    counted = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in mark.counts.items())
    parts = [
        f"Radiographs of the cohort {mark.cohort}, exported by pseudopair",
        NOTICE,
        f"{frame}Split: {mark.split or 'all'}. {counted}.",
        CONTENT[mark.format],
        "IDs are hashes of pixels. Each patient is in one split; keep it so.\n"
        "Exporting again brings the folder up to date: it writes what changed and removes what the store no longer\n"
        "has, such as images of patients who withdrew.",
        "Made from these manifests (digests; also in export.json):\n"
        + "\n".join(f"{place}  {digest}" for place, digest in sorted(mark.manifests.items())),
    ]
    return "\n\n".join([*parts, *([f"Cite: {citation}"] if citation else [])]) + "\n"
