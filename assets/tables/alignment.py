"""From a radiograph to its place in the reference frame, and how well it lies there."""

import pyarrow as pa

from assets.tables.common import BOX, COMMON, ROW

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
        *ROW,
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
        *ROW,
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
        *ROW,
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
        *ROW,
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
