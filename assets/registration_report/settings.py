"""Settings of the registration report."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

ArmName = Literal[
    "none",
    "lung_box",
    "affine",
    "affine_bspline",
    "demons",
    "voxelmorph",
    "synthmorph",
    "syn",
    "elastix",
    "it_pr",
    "it_dpr",
]


class ReportSettings(BaseModel):
    """Which radiographs and which ways of registering them are measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    radiographs: int = Field(
        default=24,
        ge=1,
        description="Radiographs of the test split that every arm registers, in the order of their ids",
    )
    arms: list[ArmName] = Field(
        default=[], description="Ways of registering to measure; empty for all that are installed"
    )
    sharpened: int = Field(
        default=300, ge=2, description="At most this many normal radiographs enter the mean images of the own arms"
    )
    share_set_aside: float = Field(
        default=0.1, ge=0, le=1, description="Share of set-aside rows above which the stage's check warns"
    )
    # Efron and Tibshirani 1993, chapter 13: percentile intervals need about a thousand resamples
    resamples: int = Field(default=1000, ge=100, description="Bootstrap resamples of the radiographs of a mean image")
    bootstrap_seed: int = Field(default=0, ge=0, description="Seed of the bootstrap's generator")
