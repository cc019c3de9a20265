"""Settings of the evaluation stage."""

from collections.abc import Mapping
from typing import Any, Literal

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
        description="the score of the summary: for each arm the one that validation patients chose, or a score "
        "fixed beforehand",
    )
    # The highest of many is higher: it would tell how often a patient was radiographed.
    patient_score: Literal["max", "mean"] = Field(
        default="mean", description="how the scores of one patient's radiographs become the patient's score"
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


def patient_score_of(declaration: Mapping[str, Any]) -> Literal["max", "mean"]:
    """How a cohort condenses radiographs to patients, for stages whose areas stand beside those of its arms."""
    declared = (declaration.get("settings") or {}).get("evaluation", {})
    return EvaluationSettings.model_validate(declared).patient_score
