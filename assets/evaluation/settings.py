"""Settings of the evaluation stage."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from assets.scoring.score import ScoreName


class EvaluationSettings(BaseModel):
    """How scores are condensed, compared and bounded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    borrow_from: str = Field(
        default="",
        description="take choice of score and thresholds of this cohort, COHORT or COHORT@DIGEST; empty to let the "
        "cohort's own validation patients decide",
    )
    headline: Literal["validation", ScoreName] = Field(
        default="validation",
        description="the score of the summary: for each method the one that validation patients chose, or a score "
        "fixed beforehand",
    )
    patient_score: Literal["max", "mean"] = Field(
        default="max", description="how the scores of one patient's radiographs become the patient's score"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1, description="level of every interval")
    specificity: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="at which the sensitivity is read, and which the threshold must reach on validation normals",
    )
    # Efron and Tibshirani 1993, chapter 13: percentile intervals need thousands of resamples, errors only hundreds
    resamples: int = Field(default=2000, ge=100, description="bootstrap resamples of the patients")
    bootstrap_seed: int = Field(default=0, ge=0, description="seed of the bootstrap's generator")
