"""Settings of the phantom cohort."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PhantomSettings(BaseModel):
    """How many phantoms a cohort has and how they vary."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size: int = Field(default=256, ge=64, le=1024, description="Side of the square image, pixels.")
    subjects: int = Field(default=320, ge=2, description="Number of subjects, half of them abnormal.")
    seed: int = Field(default=0, ge=0, description="Seed of the cohort; a subject depends on it and on its index only.")
    strength_low: float = Field(default=0.3, ge=0, le=2, description="Weakest lesion; 1 is a dense, obvious one.")
    strength_high: float = Field(default=0.75, ge=0, le=2, description="Strongest lesion.")
    spread: float = Field(default=1.0, ge=0, le=1.5, description="Anatomical variation; 0 makes every subject average.")

    @model_validator(mode="after")
    def _ordered_strengths(self) -> Self:
        if self.strength_low > self.strength_high:
            raise ValueError(
                f"strength_low: expected at most strength_high = {self.strength_high}, got {self.strength_low}; "
                "swap the two"
            )
        return self
