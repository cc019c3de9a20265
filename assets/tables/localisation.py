"""Where a map points, against what is drawn and against guesses."""

import pyarrow as pa

from assets.tables.common import BOX, COMMON, ROW

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
        *ROW,
    ]
)
