"""Settings of the localisation stage."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MapName = Literal["absolute", "positive", "absolute_z", "positive_z"]


class LocalisationSettings(BaseModel):
    """How a map becomes detections, and what it is compared with.

    Widths are given in pixels of a 256-pixel side and scaled with the side of the canvas.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    maps: MapName = Field(
        default="absolute",
        description="which maps: as scored, their positive part, or either in spreads above validation normals",
    )
    detection_sigma: float = Field(default=2.0, ge=0, description="Gaussian sigma before detection, pixels at 256")
    surest_sigmas: list[float] = Field(
        default=[8.0, 16.0],
        max_length=8,
        description="further widths that the surest region is looked for with; validation chooses one for each method",
    )
    relative_threshold: float = Field(
        default=0.5, gt=0, lt=1, description="share of a map's own maximum below which nothing is detected"
    )
    smallest_share: float = Field(
        default=0.001, ge=0, lt=1, description="share of the canvas below which a region is no detection"
    )
    detections: int = Field(default=5, ge=1, le=100, description="detections a radiograph, highest score first")
    # Zhang et al. 2018, arXiv:1608.00507; smoothing keeps one noisy pixel from deciding it
    pointing_sigma: float = Field(
        default=3.0, ge=0, description="Gaussian sigma before the pointing game, pixels at 256"
    )
    normals: int = Field(
        default=100, ge=0, description="normal radiographs a shard and split, on which false positives are counted"
    )
    random_sigmas: list[float] = Field(
        default=[3.0, 6.0, 12.0],
        min_length=1,
        max_length=8,
        description="widths of the random maps, pixels at 256; an arm is compared with those as smooth as its own",
    )
    random_draws: int = Field(default=3, ge=1, le=100, description="random maps a radiograph and width")

    @field_validator("random_sigmas", "surest_sigmas")
    @classmethod
    def _are_widths(cls, given: list[float]) -> list[float]:
        if len(set(given)) < len(given) or not all(0 < sigma <= 64 for sigma in given):
            raise ValueError(f"{given}: expected widths above 0 and up to 64 pixels, each once")
        return given
