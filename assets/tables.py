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
    [
        ("kind", pa.string()),
        ("radiograph_id", pa.string()),
        ("candidates", pa.int32()),
        ("borrowed_from", pa.string()),
        ("recipe", pa.string()),
        *_ROW,
    ]
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
        ("borrowed_from", pa.string()),
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

# One row a radiograph and peer, which is its arm; none where no peer is asked for.
PEER_REGISTERED = pa.schema(
    [
        *COMMON,
        ("arm", pa.string()),
        ("dice_reference", pa.float64()),
        ("folded_share", pa.float64()),
        ("mean_shift", pa.float64()),
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
        *_ROW,
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
        *_ROW,
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

# One row a shortcut; its area is null where it is undefined, its interval, too, where nothing bounds the area.
SHORTCUTS = pa.schema(
    [
        ("name", pa.string()),
        ("kind", pa.string()),
        ("auc", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("se", pa.float64()),
        # Area in the direction that a model would use.
        ("strength", pa.float64()),
        ("positives", pa.int32()),
        ("negatives", pa.int32()),
        # Patients that the regression was fitted on; null for plain quantities.
        ("fitted_on", pa.int32()),
        # Without any training patient, test patients are scored by regressions on other test patients.
        ("crossfitted", pa.bool_()),
        *_ROW,
    ]
)

DETECTION = pa.struct([(name, pa.float64()) for name in ("x", "y", "width", "height", "score")])

# Measures of one map, each null where the truth cannot tell it. `energy` stands beside `area_share`, that of a map that
# is constant in the lungs; `box_pixel_auc` is against filled boxes, the pixel measures and Dice against lesion masks.
LOCALISED = (
    "pointing",
    "energy",
    "area_share",
    "contrast",
    "box_pixel_auc",
    "pixel_auc",
    "pixel_ap",
    "aupro",
    "dice",
    "dice_oracle",
)

# What the surest region tells, see LOCALISATION.
_OVERLAPS = [
    ("iou", pa.list_(pa.float64())),
    ("iobb", pa.list_(pa.float64())),
    ("iou_by_share", pa.list_(pa.list_(pa.float64()))),
]
BY_SIGMA = ("surest", *(name for name, _ in _OVERLAPS))
"""Columns that depend on how wide the map is smoothed before its surest region is looked for."""

# One row a radiograph whose findings are drawn, or normal radiograph, and arm; the arms `chance/...` see no disease,
# and their seed counts draws. Boxes and detections are in pixels of the source file (width x height), by their edges:
# x = 10, width = 5 covers the columns 10 to 14.
LOCALISATION = pa.schema(
    [
        *COMMON,
        ("arm", pa.string()),
        ("alignment", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        # What is known from: boxes, lesion (boxes around the parts of a mask) or normal (there is nothing to be found).
        ("truth", pa.string()),
        ("boxes", pa.list_(BOX)),
        # Boxes that lie beside the image.
        ("boxes_left_out", pa.int32()),
        # What few pixels of validation normals exceed, in units of the map; null where there are too few of them.
        ("threshold", pa.float64()),
        # The first region that stands out of the map whatever the threshold: where, if anywhere. Null for a map of 0.
        ("surest", DETECTION),
        # What exceeds the threshold, highest score first.
        ("detections", pa.list_(DETECTION)),
        # Of each box: overlap with the best detection.
        ("iou_any", pa.list_(pa.float64())),
        # Of each box: overlap with the surest region, share of the surest region in the box, and that overlap as the
        # map is cut ever higher, see `measured.SHARES`.
        *_OVERLAPS,
        # The surest region and its overlaps by width of the smoothing, first those above; null for a normal radiograph.
        ("by_sigma", pa.list_(pa.struct([("sigma", pa.float64()), ("surest", DETECTION), *_OVERLAPS]))),
        *((name, pa.float64()) for name in LOCALISED),
        # Width of the Gaussian that makes noise as smooth as the map, pixels at 256.
        ("smoothness", pa.float64()),
    ]
)

CHANCES = ("centre", "heatmap", "random")

# One row an arm and measure on test radiographs; intervals are of the same resamples of patients for all arms.
LOCALISATION_SUMMARY = pa.schema(
    [
        ("arm", pa.string()),
        ("alignment", pa.string()),
        ("method", pa.string()),
        ("seed", pa.int32()),
        ("split", pa.string()),
        ("measure", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        # What it was measured on; left_out are radiographs that not every arm could be measured on.
        ("boxes", pa.int32()),
        ("images", pa.int32()),
        ("normals", pa.int32()),
        ("left_out", pa.int32()),
        # What guesses reach on the same radiographs, and by how much the arm exceeds them; null for the guesses.
        *(
            (f"{chance}{suffix}", pa.float64())
            for chance in CHANCES
            for suffix in ("", "_difference", "_difference_low", "_difference_high")
        ),
        # Width of the smoothing that `cl_10`, `iobb_10` and the like were measured at, pixels at 256.
        ("surest_sigma", pa.float64()),
        # Width of the random maps that the arm is compared with, pixels at 256.
        ("random_sigma", pa.float64()),
        *_ROW,
    ]
)

# One row an image of the scored splits and arm, and one for each image that was set aside before it could be scored;
# assets/image_scores/columns.py tells what the columns mean.
IMAGE_SCORES = pa.schema(
    [
        ("radiograph_id", pa.string()),
        ("row", pa.int32()),
        ("patient", pa.string()),
        ("label", pa.string()),
        ("domain", pa.string()),
        ("split", pa.string()),
        ("status", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("arm", pa.string()),
        ("seed", pa.int32()),
        ("best", pa.bool_()),
        ("score_name", pa.string()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("above", pa.bool_()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("boxes", pa.list_(BOX)),
        ("detections", pa.list_(DETECTION)),
        ("key", pa.string()),
        ("artifact", pa.string()),
        ("artifact_digest", pa.string()),
    ]
)

# One row a kind of mask and scorer; differences are to the masks in use, on the same patients. Null is undefined, and
# the scorer is empty where a kind of mask is not compared.
LEAK_CONTROL = pa.schema(
    [
        ("variant", pa.string()),
        ("scorer", pa.string()),
        ("auc", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("se", pa.float64()),
        ("difference", pa.float64()),
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
        ("p", pa.float64()),
        ("positives", pa.int32()),
        ("negatives", pa.int32()),
        # Radiographs that have no such mask.
        ("missing", pa.int32()),
        *_ROW,
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
        # It speaks for its arm in summaries: as `chosen`, unless the settings name one score for all.
        ("headline", pa.bool_()),
        # By validation patients, one an arm; test patients have no say.
        ("chosen", pa.bool_()),
        ("normals", pa.int32()),
        ("abnormals", pa.int32()),
        ("auc", pa.float64()),
        ("auc_low", pa.float64()),
        ("auc_high", pa.float64()),
        ("average_precision", pa.float64()),
        ("sensitivity", pa.float64()),
        # Of a patient's score, from validation normals; above it a patient is called abnormal.
        ("threshold", pa.float64()),
        ("sensitivity_at_threshold", pa.float64()),
        ("specificity_at_threshold", pa.float64()),
        ("balanced_accuracy", pa.float64()),
        ("plateau_width", pa.float64()),
        ("mean_balanced_accuracy", pa.float64()),
        ("youden_loss", pa.float64()),
        # Over resampled patients, the headline's on test only.
        *(
            (f"{measure}_{end}", pa.float64())
            for measure in ("plateau_width", "mean_balanced_accuracy", "youden_loss")
            for end in ("low", "high")
        ),
        # Over radiographs instead of patients, the headline's on test only, null where each patient has one.
        ("image_auc", pa.float64()),
        ("image_auc_low", pa.float64()),
        ("image_auc_high", pa.float64()),
        ("lesion_auc", pa.float64()),
        ("lesion_ap", pa.float64()),
        # Whose validation patients decided on score and threshold, where not this cohort's own.
        ("borrowed_from", pa.string()),
        *_ROW,
    ]
)

# One row a protocol, arm and seed, or `all` for the mean of an arm's seeds. Every patient is scored by models that have
# not seen them, and compared with patients of their own fold. Null is what is undefined or not there.
STUDY_TABLE = pa.schema(
    [
        ("protocol", pa.string()),
        ("folds", pa.int32()),
        ("folds_scored", pa.int32()),
        ("arm", pa.string()),
        ("alignment", pa.string()),
        ("method", pa.string()),
        ("seed", pa.string()),
        # How many seeds `auc` is the ensemble of: their scores are averaged, which ranks better than any of them.
        ("seeds", pa.int32()),
        # What validation patients chose, each once.
        ("scores", pa.list_(pa.string())),
        ("normals", pa.int32()),
        ("abnormals", pa.int32()),
        ("auc", pa.float64()),
        ("auc_low", pa.float64()),
        ("auc_high", pa.float64()),
        ("auc_se", pa.float64()),
        # Mean of the areas of single seeds, with the interval of patients, and their standard deviation.
        ("seed_mean", pa.float64()),
        ("seed_mean_low", pa.float64()),
        ("seed_mean_high", pa.float64()),
        ("seed_sd", pa.float64()),
        ("average_precision", pa.float64()),
        # At the study's specificity on each fold's own curve; then at the thresholds of validation patients.
        ("sensitivity", pa.float64()),
        ("sensitivity_at_threshold", pa.float64()),
        ("specificity_at_threshold", pa.float64()),
        # The same method in the protocol's frame of comparison: ensembles of the seeds, and patients, that both have.
        ("compared_to", pa.string()),
        ("compared_seeds", pa.int32()),
        ("compared_normals", pa.int32()),
        ("compared_abnormals", pa.int32()),
        ("difference", pa.float64()),
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
        ("p", pa.float64()),
        ("p_holm", pa.float64()),
        # Smallest true difference that this test would find four times in five.
        ("detectable", pa.float64()),
        # The better arm without a GAN of the same frame, as `protocol: arm`; the mean of single seeds less its area.
        ("baseline", pa.string()),
        ("baseline_normals", pa.int32()),
        ("baseline_abnormals", pa.int32()),
        ("baseline_difference", pa.float64()),
        ("baseline_low", pa.float64()),
        ("baseline_high", pa.float64()),
        ("baseline_p", pa.float64()),
        ("baseline_p_holm", pa.float64()),
        ("shortcut", pa.string()),
        ("shortcut_auc", pa.float64()),
        ("above_shortcut", pa.bool_()),
        # Means over folds and seeds, but seconds in all.
        ("steps", pa.float64()),
        ("passes", pa.float64()),
        ("images", pa.float64()),
        ("seconds", pa.float64()),
        # Of the frame on test radiographs: Dice of the lungs with the reference, share of folded pixels.
        ("dice_reference", pa.float64()),
        ("folded_share", pa.float64()),
        # Of the translator on validation images, see TRANSLATOR.
        *((name, pa.float64()) for name in TRANSLATOR_QUALITY if name != "validation_auc"),
        # On findings that are drawn, see LOCALISATION_SUMMARY; of several seeds the mean.
        ("boxes", pa.int32()),
        *(
            (f"{measure}{suffix}", pa.float64())
            for measure in ("pointing", "cl_10")
            for suffix in (
                *("", "_low", "_high"),
                *("_centre", "_over_centre_low", "_over_centre_high"),
                *("_heatmap", "_over_heatmap_low", "_over_heatmap_high"),
            )
        ),
        # Test radiographs that no stage let pass.
        ("aside_normals", pa.int32()),
        ("aside_abnormals", pa.int32()),
        *_ROW,
    ]
)
