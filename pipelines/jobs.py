"""One job a group of stages that share their partitions; `pseudopair run` launches them in this order."""

import dagster as dg

from pipelines.stages import JOBS

DESCRIPTIONS = {
    "sources": "Decode the source files of a shard",
    "segmenter_training": "Train the cohort's lung segmenter, or take another cohort's",
    "segmentation": "Find and judge the lungs of a shard's radiographs",
    "reference": "Choose the cohort's reference lung",
    "prealignment": "IT-PR: every lung of a shard into the reference's coordinates",
    "registration_training": "Train the cohort's IT-DPR network",
    "registration": "IT-DPR: every radiograph of a shard into the reference frame",
    "training": "Draw pseudo-pairs and train the requested translators of a cohort",
    "scoring": "Translate, subtract and score a shard's validation and test radiographs",
    "evaluate": "Measure every arm of a cohort and write the report",
    "peer_training": "Train the cohort's VoxelMorph and SynthMorph, the learned peers of IT-DPR",
    "registration_measurement": "Measure every way of registering a cohort on the same test radiographs",
}

jobs = [
    dg.define_asset_job(name, selection=stages, description=DESCRIPTIONS[name], tags={"pseudopair/job": name})
    for name, stages in JOBS.items()
]
