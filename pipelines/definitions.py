"""What Dagster loads: the assets in the order of the stages, their jobs and resources."""

import dagster as dg

from assets.evaluation.asset import evaluation
from assets.image_scores.asset import image_scores
from assets.leaks.asset import leak_control
from assets.localisation.asset import localisation
from assets.localisation_summary.asset import localisation_summary
from assets.normal_maps.asset import normal_maps
from assets.pairing.asset import pseudo_pairs
from assets.peer_registered.asset import peer_registered
from assets.peers.asset import registration_peers
from assets.prealignment.asset import prealigned_radiographs, reference_lung
from assets.radiographs.asset import radiographs
from assets.registration.asset import registered_radiographs, registration_model
from assets.registration_report.asset import registration_report
from assets.scoring.asset import anomaly_maps
from assets.segmentation.asset import lung_masks
from assets.segmenter.asset import lung_segmenter
from assets.shortcuts.asset import shortcut_audit
from assets.study.asset import study_table
from assets.translation.asset import translator
from pipelines.console import console
from pipelines.environments import resources
from pipelines.jobs import rebuild_jobs, stage_jobs, study_job
from pipelines.schedules import schedules, status_job
from pipelines.sensors import sensors
from pipelines.status_asset import store_status

defs = dg.Definitions(
    assets=[
        radiographs,
        lung_segmenter,
        lung_masks,
        reference_lung,
        prealigned_radiographs,
        registration_model,
        registered_radiographs,
        registration_peers,
        peer_registered,
        pseudo_pairs,
        translator,
        normal_maps,
        anomaly_maps,
        localisation,
        shortcut_audit,
        evaluation,
        localisation_summary,
        image_scores,
        leak_control,
        registration_report,
        study_table,
        store_status,
    ],
    jobs=[*rebuild_jobs, *stage_jobs, study_job, status_job],
    schedules=schedules,
    sensors=sensors,
    resources=resources(),
    # A step process costs seconds; parallel work is concurrent runs, one a shard.
    executor=dg.in_process_executor,
    loggers={"console": console},
)
