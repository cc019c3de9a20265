"""Settings of the pseudo-pair stage."""

from pydantic import BaseModel, ConfigDict, Field


class PairingSettings(BaseModel):
    """Whom each abnormal radiograph is paired with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    normals_per_abnormal: int = Field(
        default=2, ge=1, le=64, description="Normal partners drawn for each abnormal radiograph"
    )
    seed: int = Field(default=0, ge=0, description="Seed of the random partners")
