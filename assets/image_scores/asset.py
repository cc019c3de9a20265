"""Scores of images: every scored image with its score, threshold and boxes, also where nobody has labels."""

from collections.abc import Sequence

import dagster as dg

from assets.image_scores.asset_overlays import Overlays
from assets.image_scores.asset_rows import image_tasks
from assets.image_scores.settings import ImageScoreSettings
from assets.image_scores.summary import above_by_arm
from assets.pairing.asset_frames import ARM_FRAMES_OF_SHARD
from assets.pairing.frames import Row
from assets.tables.scores import IMAGE_SCORES
from resources.dagster_shapes import column_schema, set_aside_table, table
from resources.partitions import SHARDS, cohort_model
from resources.stage_config import config_schema
from resources.stage_run import Store, stage_run
from resources.unchanged import unchanged

VERSION = "1"
KINDS = {"arm": "string", "seed": "int", "best": "bool", "score": "string", "threshold": "float"} | dict.fromkeys(
    ("images", "above", "normals_above", "abnormals_above"), "int"
)


@dg.asset(
    partitions_def=SHARDS,
    deps=[
        *ARM_FRAMES_OF_SHARD,
        *(cohort_model(name) for name in ("registration_model", "normal_maps", "evaluation")),
        "anomaly_maps",
        "localisation",
    ],
    group_name="evaluation",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(ImageScoreSettings),
    metadata=column_schema(IMAGE_SCORES),
)
def image_scores(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Chosen score, threshold and boxes of every validation and test image by every arm, also of those set aside."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(ImageScoreSettings)
        done = unchanged(run, IMAGE_SCORES) or run.refresh(image_tasks(run, settings))
        overlays = Overlays(run, done.rows)
        metadata = {
            "arms": _arms(done.rows),
            "set_aside": set_aside_table(done.rows),
            "overlays_drawn": overlays.refresh(settings.overlays),
        }
        return run.finish(done, IMAGE_SCORES, metadata, overlays.sheet)


def _arms(rows: Sequence[Row]) -> dg.TableMetadataValue:
    return table(above_by_arm(rows), KINDS)
