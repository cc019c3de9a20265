"""Anomaly maps: every validation and test radiograph translated to normal and subtracted, in each arm's frame."""

from functools import partial

import dagster as dg
import torch

from assets.pairing.asset_frames import ARM_FRAMES_OF_SHARD
from assets.scoring.asset_pictures import pictures
from assets.scoring.asset_planned import scoring
from assets.scoring.settings import ScoringSettings
from assets.tables.translation import ANOMALY_MAPS
from resources.accelerator import Accelerator
from resources.dagster_shapes import column_schema, set_aside_table
from resources.partitions import SHARDS, cohort_model
from resources.planned import Brought
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "4"


@dg.asset(
    partitions_def=SHARDS,
    deps=[
        *ARM_FRAMES_OF_SHARD,
        cohort_model("translator"),
        cohort_model("normal_maps"),
    ],
    group_name="scoring",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(ScoringSettings),
    metadata=column_schema(ANOMALY_MAPS),
)
def anomaly_maps(context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """|x - G(x)| in the lungs of every validation and test radiograph, for each trained arm, with its scores."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(ScoringSettings)
        device = accelerator.torch_device()
        done = unchanged(run, ANOMALY_MAPS) or refreshed_maps(run, settings, device)
        metadata = {"set_aside": set_aside_table(done.columns("status", "reason"))}
        return run.finish(done, ANOMALY_MAPS, metadata, partial(pictures, run, done.rows, settings))


def refreshed_maps(run: StageRun, settings: ScoringSettings, device: torch.device) -> Brought:
    """The rows of a shard brought up to date."""
    return run.refresh_planned(scoring(run, settings, device).planned(), ANOMALY_MAPS)
