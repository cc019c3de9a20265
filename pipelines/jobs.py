"""Jobs: five that rebuild a cohort, and one a group of stages that share their partitions, for backfills by shard."""

from collections.abc import Sequence

import dagster as dg
from pydantic import Field

from pipelines.dead_runs import group_tag, process_tags
from pipelines.launches import Launcher, RunFailed
from pipelines.rebuild import rebuild
from pipelines.stages import JOBS, STAGES, Stage
from resources.partitions import COHORTS

DESCRIPTIONS = {
    "stage_sources": "Decode the source files of a shard",
    "stage_segmenter_training": "Train the cohort's lung segmenter, or take another cohort's",
    "stage_segmentation": "Find and judge the lungs of a shard's radiographs",
    "stage_reference": "Choose the cohort's reference lung",
    "stage_prealignment": "IT-PR: every lung of a shard into the reference's coordinates",
    "stage_registration_training": "Train the cohort's IT-DPR network",
    "stage_registration": "IT-DPR: every radiograph of a shard into the reference frame",
    "stage_peer_training": "Train the cohort's VoxelMorph and SynthMorph, the learned peers of IT-DPR",
    "stage_peer_registration": "Bring every radiograph of a shard into the frames of the peers that are asked for",
    "stage_training": "Draw pseudo-pairs and train the requested translators of a cohort",
    "stage_normals": "Measure what is usual of every arm's maps of held-out normals",
    "stage_scoring": "Translate, subtract and score a shard's validation and test radiographs",
    "stage_audit": "Measure what separates a cohort's classes without seeing disease",
    "stage_evaluate": "Measure every arm of a cohort and write the report",
    "stage_image_scores": "Tell and draw what every scored image of a shard came to",
    "stage_leak_control": "Measure what of an area comes from the lung masks and the warp",
    "stage_registration_measurement": "Measure every way of registering a cohort on the same test radiographs",
}
EVERYTHING = "everything"
DATA = "data"
REBUILDS: dict[str, tuple[str, ...]] = {
    DATA: ("radiographs", "lung_segmenter", "lung_masks", "reference_lung", "prealigned_radiographs"),
    "registration": ("registration_model", "registered_radiographs", "registration_peers", "peer_registered"),
    "training": ("pseudo_pairs", "translator"),
    "scoring": (
        "normal_maps",
        "anomaly_maps",
        "localisation",
        "shortcut_audit",
        "evaluation",
        "localisation_summary",
        "image_scores",
        "leak_control",
        "registration_report",
    ),
    EVERYTHING: tuple(stage.name for stage in STAGES),
}


class RebuildConfig(dg.Config):
    """What may be chosen when a rebuild is launched; the stages' settings stand in the cohort's file."""

    retry_failed: bool = Field(default=False, description="Compute rejected and failed rows again")
    recheck: bool = Field(
        default=False,
        description="Run fresh stages, too: each looks for lost artefacts, which cannot be told from outside, and "
        "computes only those",
    )


def _rebuild_job(name: str) -> dg.JobDefinition:
    stages = [stage for stage in STAGES if stage.name in REBUILDS[name]]
    spoken = "every stage" if name == EVERYTHING else ", ".join(REBUILDS[name])
    description = f"Bring {spoken} of a cohort up to date; what is fresh is left alone, so nothing new launches nothing"

    @dg.op(name=f"rebuild_{name}", description=description)
    def rebuild_stages(context: dg.OpExecutionContext, config: RebuildConfig) -> None:
        _rebuild(context, config, stages)

    @dg.job(name=name, description=description, partitions_def=COHORTS, tags={"pseudopair/job": name})
    def rebuild_job() -> None:
        rebuild_stages()

    return rebuild_job


def _rebuild(context: dg.OpExecutionContext, config: RebuildConfig, stages: Sequence[Stage]) -> None:
    """Launch what is not fresh in this process, so that it ends where this run ends."""
    tag = group_tag(context.run_id)
    # Should this process die without a word, the next one closes this run with those that it launched.
    context.instance.add_run_tags(context.run_id, process_tags(tag))
    launcher = Launcher(context.instance, tag, config.retry_failed)
    try:
        launched = rebuild(context.partition_key, stages, launcher, context.log.info, recheck=config.recheck)
    except RunFailed as failure:
        raise dg.Failure(failure.told, allow_retries=False) from None
    context.log.info(f"{launched} runs launched" if launched else "everything was fresh, nothing was launched")


rebuild_jobs = [_rebuild_job(name) for name in REBUILDS]
stage_jobs = [
    dg.define_asset_job(name, selection=stages, description=DESCRIPTIONS[name], tags={"pseudopair/job": name})
    for name, stages in JOBS.items()
]
study_job = dg.define_asset_job(
    "study",
    selection=["study_table"],
    description="Bring the table of a study up to date with what its fold cohorts have; it trains nothing",
    tags={"pseudopair/job": "study"},
)
