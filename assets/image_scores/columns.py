"""What the columns mean that are told of every scored image; the manifest has some more, for the stage's own use."""

MEANING = {
    "radiograph_id": "hash of the decoded pixels; null where a file could not be decoded",
    "row": "number of the row in the cohort's table or sorted listing, counted from 1 (`pseudopair where COHORT ROW`)",
    "patient": "pseudonym of the patient, the same in all rows of a patient",
    "label": "as the cohort's source says; `unlabelled` in a cohort without labels",
    "domain": "what the label means: normal, abnormal or other",
    "split": "validation or test; training images are not scored",
    "status": "ok, needs_review, rejected or failed; only ok has a score",
    "stage": "the stage that set the image aside; null for ok",
    "reason": "why; empty for ok",
    "arm": "alignment and method that the score is of; null where the image was set aside for all arms",
    "seed": "of the arm's training",
    "best": "whether validation patients prefer this arm and seed, by the area of its score",
    "score_name": "which score it is: the one that validation patients chose for the arm",
    "score": "of this image; higher is more abnormal",
    "threshold": "of a patient's score, from validation normals; null where there was none",
    "above": "whether the score of this image alone exceeds the threshold",
    "width": "columns of the source image; boxes and detections are in its pixels",
    "height": "rows of the source image",
    "boxes": "findings as the source marks them: x, y, width, height by their edges, and kind",
    "detections": "boxes where the anomaly map stands out, highest score first; null where none were looked for",
}
