"""Settings of the scoring stage."""

from pydantic import BaseModel, ConfigDict, Field


class ScoringSettings(BaseModel):
    """How an anomaly map becomes numbers and pictures.

    Smoothing widths are given in pixels of a 256-pixel side and scaled with the side of the map, so that an arm
    trained at 64 pixels is smoothed over the same anatomy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_share: float = Field(
        default=0.05, gt=0, le=1, description="share of the lung's pixels, highest first, averaged by the top5 scores"
    )
    max_sigma: float = Field(
        default=3.0, ge=0, description="Gaussian sigma before the max scores take the highest value, pixels at 256"
    )
    # Settled on one fold of Shenzhen with PCA after IT-DPR, where 8 to 16 did about as well, and 0 and 20 worse.
    core_margin: float = Field(
        default=12.0, ge=0, description="width of the lungs' rim that the core scores leave out, pixels at 256"
    )
    display_sigma: float = Field(default=2.0, ge=0, description="Gaussian sigma of the maps shown, pixels at 256")
