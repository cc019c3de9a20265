"""A study's table: arms over all folds."""

import pyarrow as pa

from assets.tables.common import ROW
from assets.tables.translation import TRANSLATOR_QUALITY

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
        *ROW,
    ]
)
