"""Settings of the stage of normal maps."""

from pydantic import BaseModel, ConfigDict, Field


class NormalMapsSettings(BaseModel):
    """How mean and spread of the maps of validation normals are taken."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    borrow_from: str = Field(
        default="",
        description="use the normal maps of this cohort, COHORT or COHORT@DIGEST, with its translators; empty to make "
        "them of this cohort's validation normals",
    )
    normals: int = Field(
        default=400, ge=2, description="validation normals at most, one a patient; kept while they are all there"
    )
    fewest: int = Field(default=8, ge=2, description="with fewer validation normals an arm has no mean and no spread")
    smoothing: float = Field(
        default=2.0, ge=0, description="Gaussian sigma over which mean and spread pool pixels, pixels at 256"
    )
    prior: float = Field(
        default=1.0, gt=0, description="how many normals the mean and variance of all lungs weigh at every pixel"
    )
    smallest_spread: float = Field(
        default=0.25, gt=0, le=1, description="floor of the spread, share of that of all lungs together"
    )
    threshold_share: float = Field(
        default=0.995, gt=0, lt=1, description="share of the normals' lung pixels that lie below the threshold"
    )
    threshold_sigma: float = Field(
        default=2.0, ge=0, description="Gaussian sigma of the maps before their threshold is taken, pixels at 256"
    )
