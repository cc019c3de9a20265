"""Settings of the lung mask stage."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Source = Literal["supplied", "trained", "pbtseg"]


class SegmentationSettings(BaseModel):
    """Where lung masks come from, how they are cleaned, and which are good enough to align by.

    Areas are fractions of the image, lengths fractions of the image height, so one set serves every size.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: list[Source] = Field(
        default=["supplied", "trained", "pbtseg"],
        min_length=1,
        description="Where masks come from, in order of preference: the cohort's own, the lung_segmenter's, PBTSeg's; "
        "a row takes the first that passes the gates",
    )
    gate: float | None = Field(
        default=None,
        ge=0.0,
        le=1.0,
        description="Quality score below which a mask is passed over; null takes the gate that was calibrated with "
        "the lung_segmenter",
    )
    complete_bases: bool = Field(
        default=True,
        description="Complete a lung whose base lies much higher than the other's where no mask passes the gates",
    )
    border_brightening: float = Field(
        # 1 is the published method; the authors' helper goes up to 1.6 but their command line never calls it
        default=1.0,
        ge=1.0,
        le=2.0,
        description="PBTSeg: the image is brightened towards its border by up to this factor; 1 leaves it",
    )
    equalize: bool = Field(
        # Off is the published method. Its absolute thresholds lose brightly windowed radiographs: of 532 Shenzhen
        # images it finds two lungs in 32 % of the normal and 76 % of the tuberculosis ones, a difference that a score
        # would exploit; equalized, 92 % and 84 % pass all gates.
        default=True,
        description="PBTSeg: equalize the gray-level histogram of the 8-bit copy before thresholding",
    )
    smoothing_radius: float = Field(
        default=0.01, ge=0.0, le=0.05, description="Opening and closing radius of the clean-up; 0 for none"
    )
    window_low: float = Field(default=1.0, ge=0.0, lt=50.0, description="Percentile in the lungs that becomes black")
    window_high: float = Field(
        default=99.0, gt=50.0, le=100.0, description="Percentile in the lungs that becomes white"
    )
    share_set_aside: float = Field(
        default=0.25, ge=0, le=1, description="Share of set-aside rows above which the stage's check warns"
    )
    minimum_area: float = Field(default=0.05, ge=0.0, le=1.0, description="Smallest plausible area of one lung")
    maximum_area: float = Field(default=0.30, ge=0.0, le=1.0, description="Largest plausible area of one lung")
    minimum_ratio: float = Field(default=0.5, gt=0.0, description="Smallest plausible area of left over right lung")
    maximum_ratio: float = Field(default=1.6, gt=0.0, description="Largest plausible area of left over right lung")
    minimum_solidity: float = Field(
        default=0.75, ge=0.0, le=1.0, description="Smallest plausible area of a lung over that of its convex hull"
    )
    maximum_top_difference: float = Field(
        default=0.12, ge=0.0, le=1.0, description="Largest plausible height difference of the two apices"
    )
    maximum_bottom_difference: float = Field(
        default=0.12, ge=0.0, le=1.0, description="Largest plausible height difference of the two bases"
    )
    maximum_border_share: float = Field(
        default=0.15, ge=0.0, le=1.0, description="Largest plausible share of a lung's outline on the image border"
    )

    @model_validator(mode="after")
    def _sources_differ(self) -> Self:
        if len(set(self.sources)) != len(self.sources):
            raise ValueError(f"sources names one twice: {', '.join(self.sources)}; name each at most once")
        return self
