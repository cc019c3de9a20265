"""Settings and models that a stage builds on, as they decide what it makes."""

from collections.abc import Sequence
from typing import TypeVar

import dagster as dg
from pydantic import BaseModel

from resources.manifests import Place, fingerprint, read_pointer
from resources.partitions import SHARDS_BY_COHORT
from resources.stage_run import StageRun

S = TypeVar("S", bound=BaseModel)


def upstream_settings(run: StageRun, stage: str, kind: type[S]) -> S:
    """Settings that an upstream stage was run with, the same for every shard of this run's cohort.

    Raises:
        Failure: shards were made with different settings, or not at all.
    """
    pointers = {key: read_pointer(run.store, Place(stage, key)) for key in SHARDS_BY_COHORT[run.cohort]}
    used = {key: pointer["settings"] if pointer else None for key, pointer in pointers.items()}
    first = next(iter(used.values()))
    odd = [key for key, settings in used.items() if settings is None or settings != first]
    if odd:
        raise dg.Failure(
            f"{run.cohort}: {stage} was not run with one set of settings for all shards ({', '.join(odd)} differ or "
            f"are missing); materialise {stage} for every shard with the same settings",
            allow_retries=False,
        )
    return kind.model_validate(first)


def recipe(run: StageRun, settings: BaseModel, inputs: Sequence[str], *, without: Sequence[str] = ()) -> str:
    """Fingerprint of what decides a model besides its training rows: version, settings, upstream models.

    Args:
        run: of the model's stage.
        settings: of the stage.
        inputs: keys of upstream models.
        without: settings that decide nothing about a model which is fitted.
    """
    return fingerprint([run.stage, run.version, settings.model_dump(exclude=set(without)), list(inputs)])
