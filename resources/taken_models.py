"""Cohorts that take another one's models by `--model`: noted beside their files, which stay as their owners wrote them.

One YAML file a cohort in the home's folder `models`; the catalogue reads declarations with it.
"""

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from resources.home import home
from resources.local_files import write_local
from resources.yaml_text import from_yaml

Settings = dict[str, dict[str, Any]]


class Taken(BaseModel):
    """Whose models a cohort takes, and the settings that follow from it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(description="COHORT or COHORT@DIGEST")
    fixed: Settings = Field(description="stage -> settings that the models need, whatever the cohort declares")
    proposed: Settings = Field(default_factory=dict, description="stage -> settings where it declares none")

    def over(self, declared: Settings) -> Settings:
        """A cohort's settings with these."""
        stages = dict.fromkeys([*declared, *self.proposed, *self.fixed])
        layers = (self.proposed, declared, self.fixed)
        return {stage: {k: v for layer in layers for k, v in layer.get(stage, {}).items()} for stage in stages}


class TakenError(ValueError):
    """A note cannot be read; the message says what to do."""


def taken_path(cohort: str) -> Path:
    """Where it is noted."""
    return home() / "models" / f"{cohort}.yaml"


def taken(cohort: str) -> Taken | None:
    """What is noted of a cohort, None where it has its own models or declares itself whose.

    Raises:
        TakenError: the note cannot be read.
    """
    path = taken_path(cohort)
    if not path.is_file():
        return None
    try:
        return Taken.model_validate(from_yaml(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise TakenError(
            f"{path}: cannot be read ({type(error).__name__}); delete it, then run {cohort} with --model again"
        ) from None


def take(cohort: str, noted: Taken) -> None:
    """Note it, instead of what was noted before."""
    write_local(taken_path(cohort), yaml.safe_dump(noted.model_dump(), sort_keys=False).encode())


def give_back(cohort: str) -> None:
    """Let a cohort fit its own models again."""
    taken_path(cohort).unlink(missing_ok=True)
