"""The stages in order: what each reads, which partitions it has, and the job that launches it."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from pipelines.settings import STAGE_SETTINGS
from resources.partitions import SHARDS_BY_COHORT


@dataclass(frozen=True)
class Stage:
    """One asset of the main line.

    Attributes:
        name: the asset's key.
        level: whether it has a partition a shard or a cohort.
        reads: upstream stages.
        job: the job that `pseudopair run` launches it with.
    """

    name: str
    level: Literal["shard", "cohort"]
    reads: tuple[str, ...]
    job: str

    @property
    def settings(self) -> type[BaseModel]:
        """The stage's settings model."""
        return STAGE_SETTINGS[self.name]

    def partitions(self, cohort: str) -> list[str]:
        """Partition keys of a cohort at this stage."""
        return SHARDS_BY_COHORT[cohort] if self.level == "shard" else [cohort]


MASKED = ("radiographs", "lung_masks")
FRAMES = (*MASKED, "reference_lung", "prealigned_radiographs", "registered_radiographs")
ARM_FRAMES = (*FRAMES, "peer_registered")

STAGES = (
    Stage("radiographs", "shard", (), "stage_sources"),
    Stage("lung_segmenter", "cohort", ("radiographs",), "stage_segmenter_training"),
    Stage("lung_masks", "shard", ("radiographs", "lung_segmenter"), "stage_segmentation"),
    Stage("reference_lung", "cohort", MASKED, "stage_reference"),
    Stage("prealigned_radiographs", "shard", (*MASKED, "reference_lung"), "stage_prealignment"),
    Stage(
        "registration_model",
        "cohort",
        (*MASKED, "reference_lung", "prealigned_radiographs"),
        "stage_registration_training",
    ),
    Stage(
        "registered_radiographs",
        "shard",
        (*MASKED, "reference_lung", "prealigned_radiographs", "registration_model"),
        "stage_registration",
    ),
    # Before the translators for the frames of learned peers; where none is asked for, see `in_turn`.
    Stage("registration_peers", "cohort", (*MASKED, "reference_lung"), "stage_peer_training"),
    Stage("peer_registered", "shard", (*MASKED, "reference_lung", "registration_peers"), "stage_peer_registration"),
    Stage(
        "pseudo_pairs",
        "cohort",
        (*FRAMES, "registration_model"),
        "stage_training",
    ),
    Stage("translator", "cohort", (*ARM_FRAMES, "pseudo_pairs"), "stage_training"),
    Stage("normal_maps", "cohort", (*ARM_FRAMES, "translator"), "stage_normals"),
    Stage("anomaly_maps", "shard", (*ARM_FRAMES, "translator", "normal_maps"), "stage_scoring"),
    Stage(
        "localisation",
        "shard",
        (*ARM_FRAMES, "registration_model", "pseudo_pairs", "normal_maps", "anomaly_maps"),
        "stage_scoring",
    ),
    Stage("shortcut_audit", "cohort", (*FRAMES, "registration_model"), "stage_audit"),
    Stage(
        "evaluation",
        "cohort",
        (
            *MASKED,
            "prealigned_radiographs",
            "registered_radiographs",
            "translator",
            "anomaly_maps",
            "shortcut_audit",
        ),
        "stage_evaluate",
    ),
    Stage(
        "localisation_summary",
        "cohort",
        (*ARM_FRAMES, "registration_model", "normal_maps", "anomaly_maps", "localisation"),
        "stage_evaluate",
    ),
    # No stage reads these: at the end they hold nobody up, and their failure ends nothing else.
    Stage(
        "image_scores",
        "shard",
        (*ARM_FRAMES, "registration_model", "normal_maps", "anomaly_maps", "localisation", "evaluation"),
        "stage_image_scores",
    ),
    Stage("leak_control", "cohort", (*FRAMES, "lung_segmenter", "translator"), "stage_leak_control"),
    Stage(
        "registration_report",
        "cohort",
        (*FRAMES, "registration_model", "registration_peers"),
        "stage_registration_measurement",
    ),
)
STAGE_NAMES = tuple(stage.name for stage in STAGES)
JOBS = {job: [stage.name for stage in STAGES if stage.job == job] for job in dict.fromkeys(s.job for s in STAGES)}
