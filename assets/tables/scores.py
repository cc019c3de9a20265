"""What tells patients apart: single scores, arms over patients, and what needs no disease."""

import pyarrow as pa

from assets.tables.common import BOX, ROW
from assets.tables.localisation import DETECTION

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
        *ROW,
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
        *ROW,
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
        *ROW,
    ]
)
