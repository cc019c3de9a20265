"""Settings of the pseudo-pair stage."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Policy = Literal["random", "nearest", "matched", "fixed"]


class PairingSettings(BaseModel):
    """Whom each abnormal radiograph is paired with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: Policy = Field(
        default="random",
        description="random: dealt in turn; nearest: alike in lung shape and coarse appearance; matched: of the same "
        "view, sex and age band; fixed: one to one",
    )
    normals_per_abnormal: int = Field(
        default=2, ge=1, le=64, description="Normal partners for each abnormal radiograph; fixed gives one"
    )
    seed: int = Field(default=0, ge=0, description="Seed of random, matched and fixed partners")
    most_uses: int | None = Field(
        default=None, ge=1, description="nearest: at most this many pairs with one normal radiograph; none: no limit"
    )
    shape_weight: float = Field(
        default=0.5, ge=0, le=1, description="nearest: share of lung shape in the distance; the rest is appearance"
    )
    age_band: float = Field(default=10.0, gt=0, description="matched: width of an age band, years")
    flag_dice_below: float = Field(
        default=0.9, ge=0, le=1, description="Registered lungs that overlap the reference's less are flagged low_dice"
    )
    flag_quality_below: float = Field(
        default=0.9, ge=0, le=1, description="Lung masks of a lower quality score are flagged low_mask_quality"
    )
