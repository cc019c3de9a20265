"""Settings of the evaluation stage."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class EvaluationSettings(BaseModel):
    """How scores are condensed, compared and bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    headline: Literal["score_mean", "score_top5", "score_mean_positive", "score_top5_positive"] = Field(
        default="score_mean", description="the score of the summary; fixed before the test scores are seen"
    )
    patient_score: Literal["max", "mean"] = Field(
        default="max", description="how the scores of one patient's radiographs become the patient's score"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="level of every interval")
    specificity: float = Field(default=0.9, gt=0, lt=1, description="specificity at which the sensitivity is read")
    # Efron and Tibshirani 1993, chapter 13: percentile intervals need thousands of resamples, errors only hundreds
    resamples: int = Field(default=2000, ge=100, description="bootstrap resamples of the patients")
    bootstrap_seed: int = Field(default=0, ge=0, description="seed of the bootstrap's generator")
