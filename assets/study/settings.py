"""The file of a study: which arms are trained and scored out of fold on which cohort, and for how long."""

from typing import Any, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from assets.alignments import Alignment
from assets.translation.arms import parse_arm

T = TypeVar("T", int, str)
NAME = r"^[a-z0-9_]{1,28}$"


class StudyError(ValueError):
    """A study's file is wrong; the message is one line that names the field."""


class Protocol(BaseModel):
    """Arms that share a split into folds: every patient is scored by models that have not seen them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME, description="short name, used in the table")
    folds: int = Field(ge=2, le=20, description="parts that the patients are split into; each is tested once")
    arms: list[str] = Field(min_length=1, description="what is compared, each `alignment/method`")
    seeds: list[int] = Field(default=[0], min_length=1, description="one training of every arm for each seed")
    compare_to: Alignment = Field(
        default="none", description="every arm is compared with that of its own method and this alignment"
    )

    @field_validator("arms")
    @classmethod
    def _known(cls, arms: list[str]) -> list[str]:
        return _once([parse_arm(arm).name for arm in arms])

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        return _once(seeds)


class StudyFile(BaseModel):
    """A study: one cohort, one or more protocols, and the settings that all its fold cohorts share."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME, description="short name; its fold cohorts are called NAME-FOLDS-FOLD")
    title: str = Field(default="", description="name for people")
    cohort: str = Field(description="declared cohort that sources, labels and settings come from")
    protocols: list[Protocol] = Field(min_length=1, description="ways of splitting and what each compares")
    settings: dict[str, dict[str, Any]] = Field(
        default={}, description="settings by stage, on top of the cohort's, for every fold cohort"
    )
    hours: float | None = Field(default=None, gt=0, description="time budget of one call; none for no limit")

    @model_validator(mode="after")
    def _distinct_protocols(self) -> Self:
        for field in ("name", "folds"):
            values = [getattr(protocol, field) for protocol in self.protocols]
            twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
            if twice:
                raise ValueError(
                    f"two protocols have {field} {twice[0]}; put their arms into one, or give one another {field}"
                )
        return self

    def fold_cohorts(self, protocol: Protocol) -> list[str]:
        """Names of the cohorts of a protocol's folds, in their order."""
        return [f"{self.name}-{protocol.folds}-{fold}" for fold in range(protocol.folds)]


def parse_study(mapping: object) -> StudyFile:
    """A study from the mapping of its YAML file.

    Raises:
        StudyError: with the first thing that is wrong.
    """
    try:
        return StudyFile.model_validate(mapping)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StudyError(f"{place or 'study'}: {first['msg'].removeprefix('Value error, ')}") from None


def _once(values: list[T]) -> list[T]:
    twice = [value for value in dict.fromkeys(values) if values.count(value) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is named twice; name it once")
    return values
