"""Settings of the summary of localisation."""

from pydantic import BaseModel, ConfigDict, Field


class SummarySettings(BaseModel):
    """How measures of radiographs become measures of an arm."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="level of every interval")
    # Efron and Tibshirani 1993, chapter 13: percentile intervals need thousands of resamples, errors only hundreds
    resamples: int = Field(default=2000, ge=100, description="bootstrap resamples of the patients")
    bootstrap_seed: int = Field(default=0, ge=0, description="seed of the bootstrap's generator")
    froc_iou: float = Field(
        default=0.1, gt=0, lt=1, description="overlap from which a detection counts in the free-response curve"
    )
