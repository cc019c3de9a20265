"""Localisation: every arm's maps on the radiographs themselves, against boxes and lesions, beside guesses."""

from functools import partial

import dagster as dg

from assets.localisation.asset_pictures import pictures
from assets.localisation.asset_rows import localised_tasks
from assets.localisation.settings import LocalisationSettings
from assets.pairing.asset_frames import ARM_FRAMES_OF_SHARD
from assets.tables.localisation import LOCALISATION
from resources.dagster_shapes import column_schema, set_aside_table
from resources.partitions import SHARDS, cohort_model
from resources.stage_config import config_schema
from resources.stage_run import Store, stage_run
from resources.unchanged import unchanged

VERSION = "4"


@dg.asset(
    partitions_def=SHARDS,
    deps=[
        *ARM_FRAMES_OF_SHARD,
        *(cohort_model(name) for name in ("registration_model", "pseudo_pairs", "normal_maps")),
        "anomaly_maps",
    ],
    group_name="scoring",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(LocalisationSettings),
    metadata=column_schema(LOCALISATION),
)
def localisation(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Detections, pointing game and pixel measures of every arm where findings are drawn, and of guesses."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(LocalisationSettings)
        done = unchanged(run, LOCALISATION) or run.refresh(localised_tasks(run, settings))
        metadata = {"set_aside": set_aside_table(done.rows)}
        return run.finish(done, LOCALISATION, metadata, partial(pictures, run, done.rows, settings))
