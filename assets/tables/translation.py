"""Pseudo-pairs, what was trained on them, and the maps that it gives."""

import pyarrow as pa

from assets.tables.common import BOX, COMMON, ROW

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
        *ROW,
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
        # Principal components that validation chose; null where there are none.
        ("components", pa.int32()),
        # Why the training ended before its last step; null where it did not.
        ("stopped", pa.string()),
        ("seconds", pa.float64()),
        ("images_per_second", pa.float64()),
        # On validation images when the training ended (assets/translation/quality.py); null is what could not be
        # measured.
        *((name, pa.float64()) for name in TRANSLATOR_QUALITY),
        ("borrowed_from", pa.string()),
        ("settings", pa.string()),
        # JSON object: device, arithmetic, threads, library versions.
        ("environment", pa.string()),
        ("history_columns", pa.list_(pa.string())),
        # Of the artefact's array `checks`: what was measured on validation images while it trained.
        ("checks_columns", pa.list_(pa.string())),
        *ROW,
    ]
)

# One row an arm: what is usual of the maps of validation normals, in units of the map.
NORMAL_MAPS = pa.schema(
    [
        ("arm", pa.string()),
        ("alignment", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        # Patients, one radiograph each.
        ("normals", pa.int32()),
        # What few of their pixels exceed; null where there are too few normals.
        ("threshold", pa.float64()),
        # Of all lungs together.
        ("mean", pa.float64()),
        ("spread", pa.float64()),
        ("borrowed_from", pa.string()),
        ("settings", pa.string()),
        ("recipe", pa.string()),
        *ROW,
    ]
)

# Of the absolute map and of its positive part, in units of the image and (`_z`, null where an arm has no normal maps)
# in spreads of normals, and of |x - G(x)| - |x - F(x)| (`_contrast`, null where there is no translator F to abnormal):
# mean, mean of the highest 5 %, highest value of the smoothed map, 99th percentile; in the lungs and in their core.
_SCORES = [
    (f"score_{reducer}{kind}{region}", pa.float64())
    for region in ("", "_core")
    for kind in ("", "_positive", "_z", "_positive_z", "_contrast")
    for reducer in ("mean", "top5", "max", "p99")
]

ANOMALY_MAPS = pa.schema(
    [
        *COMMON,
        ("arm", pa.string()),
        ("alignment", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        *_SCORES,
        # Of the absolute map's pixels in the lungs, lesion against the rest; null without a lesion mask.
        ("lesion_auc", pa.float64()),
        ("lesion_ap", pa.float64()),
    ]
)
