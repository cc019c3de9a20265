"""Schemas of the manifests handed from stage to stage.

Every per-image manifest holds COMMON: `key` and `artifact` are addressed by content, `patient` is a pseudonym, and
only rows with status `ok` go downstream. A column that a set-aside row lacks is null.
"""

import pyarrow as pa

_ROW = [
    ("key", pa.string()),
    ("status", pa.string()),
    ("reason", pa.string()),
    ("artifact", pa.string()),
    ("artifact_digest", pa.string()),
]

_SUBJECT = [
    ("radiograph_id", pa.string()),
    ("patient", pa.string()),
    ("domain", pa.string()),
    ("label", pa.string()),
    ("split", pa.string()),
]

COMMON = [*_SUBJECT, *_ROW]
CARRIED = [name for name, _ in _SUBJECT]

BOX = pa.struct(
    [("x", pa.float64()), ("y", pa.float64()), ("width", pa.float64()), ("height", pa.float64()), ("kind", pa.string())]
)

RADIOGRAPHS = pa.schema(
    [
        ("row", pa.int32()),
        *COMMON,
        ("file_digest", pa.string()),
        ("view", pa.string()),
        ("sex", pa.string()),
        ("age", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("bits", pa.int32()),
        ("spacing_mm", pa.float64()),
        ("scale_x", pa.float64()),
        ("scale_y", pa.float64()),
        ("offset_x", pa.float64()),
        ("offset_y", pa.float64()),
        ("boxes", pa.list_(BOX)),
        ("has_lungs", pa.bool_()),
        ("has_lesion", pa.bool_()),
        # Why a published lung mask was left out of a row that is otherwise fine.
        ("mask_problem", pa.string()),
    ]
)

LUNG_SEGMENTER = pa.schema(
    [
        ("trained_on", pa.int32()),
        ("left_out", pa.int32()),
        ("calibrated_on", pa.int32()),
        ("steps", pa.int32()),
        ("final_loss", pa.float64()),
        ("gate", pa.float64()),
        ("base_offset", pa.float64()),
        ("validation_dice_right", pa.float64()),
        ("validation_dice_left", pa.float64()),
        ("borrowed_from", pa.string()),
        ("settings", pa.string()),
        ("history_columns", pa.list_(pa.string())),
        ("recipe", pa.string()),
        *_ROW,
    ]
)

LUNG_MASKS = pa.schema(
    [
        *COMMON,
        ("mask_source", pa.string()),
        ("area_right", pa.float64()),
        ("area_left", pa.float64()),
        ("window_low", pa.float64()),
        ("window_high", pa.float64()),
        ("dice_supplied", pa.float64()),
        ("quality", pa.float64()),
        ("quality_right", pa.float64()),
        ("quality_left", pa.float64()),
        ("passed_over", pa.string()),
        ("base_completed", pa.string()),
        ("dice_trained_right", pa.float64()),
        ("dice_trained_left", pa.float64()),
        ("dice_pbtseg_right", pa.float64()),
        ("dice_pbtseg_left", pa.float64()),
    ]
)

REFERENCE_LUNG = pa.schema(
    [("kind", pa.string()), ("radiograph_id", pa.string()), ("candidates", pa.int32()), ("recipe", pa.string()), *_ROW]
)

PREALIGNED = pa.schema(
    [*COMMON, ("dice_reference", pa.float64()), ("folded_share", pa.float64()), ("mean_shift", pa.float64())]
)

REGISTRATION_MODEL = pa.schema(
    [
        ("trained_on", pa.int32()),
        ("steps", pa.int32()),
        ("final_loss", pa.float64()),
        # Of the training's pre-alignments, px: median and 95th percentile.
        ("roughness_typical", pa.float64()),
        ("roughness_limit", pa.float64()),
        ("settings", pa.string()),
        ("history_columns", pa.list_(pa.string())),
        ("recipe", pa.string()),
        *_ROW,
    ]
)

REGISTERED = pa.schema(
    [*COMMON, ("dice_reference", pa.float64()), ("folded_share", pa.float64()), ("mean_shift", pa.float64())]
)

REGISTRATION_PEERS = pa.schema(
    [
        ("trained_on", pa.int32()),
        ("steps", pa.int32()),
        ("voxelmorph_loss", pa.float64()),
        ("synthmorph_loss", pa.float64()),
        ("settings", pa.string()),
        # Named `peer.quantity`, as the weights are.
        ("history_columns", pa.list_(pa.string())),
        ("recipe", pa.string()),
        *_ROW,
    ]
)

# One row a radiograph and arm; null is what its cohort cannot tell (landmarks, lesions) or its machine (peak_mib, a
# lower bound: the process has run other arms before).
REGISTRATION_REPORT = pa.schema(
    [
        *COMMON,
        ("arm", pa.string()),
        ("landmark_px_mean", pa.float64()),
        ("landmark_px_p90", pa.float64()),
        ("dice", pa.float64()),
        ("hd95_px", pa.float64()),
        ("outline_px", pa.float64()),
        ("folded_share", pa.float64()),
        ("log_jacobian_sd", pa.float64()),
        # Null for arms that have no inverse of their own.
        ("inverse_mean_px", pa.float64()),
        ("inverse_max_px", pa.float64()),
        ("lesion_area_ratio", pa.float64()),
        ("lesion_contrast_ratio", pa.float64()),
        ("ms", pa.float64()),
        ("peak_mib", pa.float64()),
        # Of the arm, not of the row: its mean image of the measured normals against that by the lungs' box. Null for
        # the box itself, and for none, whose lungs are of another scale.
        ("sharpness", pa.float64()),
        ("sharpness_low", pa.float64()),
        ("sharpness_high", pa.float64()),
    ]
)

_SIDE = [
    *((name, pa.string()) for name in ("id", "label", "patient", "file_digest")),
    # Partition of the radiograph, such as nih/07: where its rows and artefacts lie.
    ("shard", pa.string()),
    ("radiograph_key", pa.string()),
    ("mask_key", pa.string()),
    ("prealigned_key", pa.string()),
    # Of the registered row.
    *((name, pa.string()) for name in ("key", "artifact", "artifact_digest")),
    ("folded_share", pa.float64()),
    ("dice_reference", pa.float64()),
    # In pixels of the reference frame.
    ("boxes", pa.list_(BOX)),
    ("flags", pa.list_(pa.string())),
]

# `settings` and `versions` are JSON objects by stage; `run_id` is of the run that first made the pair.
PSEUDO_PAIRS = pa.schema(
    [
        ("pair_id", pa.string()),
        ("policy", pa.string()),
        ("split", pa.string()),
        *[(f"{side}_{name}", kind) for side in ("abnormal", "normal") for name, kind in _SIDE],
        # Correlation of coarse lung images, null where too little of the lungs lies in one place.
        ("similarity_before", pa.float64()),
        ("similarity_after", pa.float64()),
        ("reference", pa.string()),
        ("registration_model", pa.string()),
        ("registration_model_digest", pa.string()),
        ("settings", pa.string()),
        ("versions", pa.string()),
        ("run_id", pa.string()),
        *_ROW,
    ]
)

TRANSLATOR_QUALITY = (
    "validation_auc",
    "normal_preservation",
    "planted_psnr",
    "planted_psnr_input",
    "planted_lesion_drop",
    "kid",
    "kid_floor",
    "classifier_drop",
    "classifier_auc",
)

TRANSLATOR = pa.schema(
    [
        ("arm", pa.string()),
        ("alignment", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        ("trained_normal", pa.int32()),
        ("trained_abnormal", pa.int32()),
        ("steps", pa.int32()),
        # Why the training ended before its last step; null where it did not.
        ("stopped", pa.string()),
        ("seconds", pa.float64()),
        ("images_per_second", pa.float64()),
        # On validation images when the training ended (assets/translation/quality.py); null is what could not be
        # measured.
        *((name, pa.float64()) for name in TRANSLATOR_QUALITY),
        ("settings", pa.string()),
        # JSON object: device, arithmetic, threads, library versions.
        ("environment", pa.string()),
        ("history_columns", pa.list_(pa.string())),
        # Of the artefact's array `checks`: what was measured on validation images while it trained.
        ("checks_columns", pa.list_(pa.string())),
        *_ROW,
    ]
)

ANOMALY_MAPS = pa.schema(
    [
        *COMMON,
        ("arm", pa.string()),
        ("alignment", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        ("score_mean", pa.float64()),
        ("score_top5", pa.float64()),
        ("score_mean_positive", pa.float64()),
        ("score_top5_positive", pa.float64()),
        ("lesion_auc", pa.float64()),
    ]
)

EVALUATION = pa.schema(
    [
        ("arm", pa.string()),
        ("alignment", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        ("score", pa.string()),
        ("split", pa.string()),
        ("headline", pa.bool_()),
        ("normals", pa.int32()),
        ("abnormals", pa.int32()),
        ("auc", pa.float64()),
        ("auc_low", pa.float64()),
        ("auc_high", pa.float64()),
        ("average_precision", pa.float64()),
        ("sensitivity", pa.float64()),
        ("lesion_auc", pa.float64()),
        *_ROW,
    ]
)
