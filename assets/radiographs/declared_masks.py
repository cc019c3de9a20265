"""How a cohort declares its lung masks: files of both lungs or of one each, columns, or a published table."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field, field_validator

from assets.radiographs.paths import below_the_root

MASK_FIELDS = ("mask_folder", "right_mask_folder", "left_mask_folder", "chexmask")
# What says in a table what a folder says without one.
MASK_COLUMNS = {
    "mask_folder": "lung_mask",
    "right_mask_folder": "right_lung_mask",
    "left_mask_folder": "left_lung_mask",
}
# Fields that are set together; lung masks come by one of these ways.
MASK_WAYS = (
    ("lung_mask",),
    ("mask_folder",),
    ("right_lung_mask", "left_lung_mask"),
    ("right_mask_folder", "left_mask_folder"),
    ("right_lung_rle", "left_lung_rle", "mask_height", "mask_width"),
    ("chexmask",),
)


class CheXmask(BaseModel):
    """A published table of lung masks, one row an image, as CheXmask has them (doi 10.13026/pgag-by42)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str = Field(description="CSV file below the root, unpacked; its other columns are named as published")
    id: str = Field(description="column that names the image, e.g. Image Index, image_id, dicom_id, ImageID or Path")
    # PhysioNet's page of the data set asks for at least this.
    smallest_dice_rca: float = Field(
        default=0.7, ge=0, le=1, description="least Dice RCA (Mean), the quality that CheXmask estimates for a mask"
    )

    @field_validator("table")
    @classmethod
    def _stays_below_the_root(cls, value: str) -> str:
        return below_the_root(value)


def mask_ways_problem(has_table: bool, given: Mapping[str, object]) -> str | None:
    """Why the fields for lung masks do not go together, or None.

    Args:
        has_table: whether the cohort has a table.
        given: values of all fields of MASK_WAYS, None where a field is not set.
    """
    for name, column in MASK_COLUMNS.items():
        if has_table and given[name] is not None:
            return f"{name} goes with folders; with a table set columns.{column} instead"
    ways = [[name for name in way if given[name] is not None] for way in MASK_WAYS]
    for way, named in zip(MASK_WAYS, ways, strict=True):
        if named and len(named) < len(way):
            missing = ", ".join(name for name in way if name not in named)
            return f"{named[0]} is set without {missing}; set {'both' if len(way) == 2 else 'all'} or none"
    several = [named[0] for named in ways if named]
    if len(several) > 1:
        return f"lung masks are declared by {' and by '.join(several)}; keep one of them"
    return None
