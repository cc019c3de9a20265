"""Settings of the scores of images."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ImageScoreSettings(BaseModel):
    """What is told and drawn of every scored image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    detections: Literal["all", "best", "measured"] = Field(
        default="all",
        description="where boxes are looked for: in the maps of all arms, of the arm that validation prefers, or only "
        "where `localisation` has looked already",
    )
    overlays: bool = Field(
        default=False, description="keep an overlay of every scored image, too: one PNG a radiograph, best arm"
    )
