"""Numbers for a radiograph from its anomaly map."""

import math
from typing import Literal, get_args

import cv2
import numpy as np
import numpy.typing as npt

from assets.scoring.anomaly_map import REFERENCE_SIDE, smooth_in_lung
from assets.scoring.settings import ScoringSettings

F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Reducer = Literal["mean", "top5", "max", "p99"]
REDUCERS: tuple[Reducer, ...] = get_args(Reducer)
Kind = Literal["absolute", "positive"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# What no map of normals is kept of, and what not every translator has.
Contrast = Literal["contrast"]
Region = Literal["lungs", "core"]
CORE_ENDING = "_core"
ScoreName = Literal[
    "score_mean",
    "score_top5",
    "score_max",
    "score_p99",
    "score_mean_positive",
    "score_top5_positive",
    "score_max_positive",
    "score_p99_positive",
    "score_mean_z",
    "score_top5_z",
    "score_max_z",
    "score_p99_z",
    "score_mean_positive_z",
    "score_top5_positive_z",
    "score_max_positive_z",
    "score_p99_positive_z",
    "score_mean_contrast",
    "score_top5_contrast",
    "score_max_contrast",
    "score_p99_contrast",
    "score_mean_core",
    "score_top5_core",
    "score_max_core",
    "score_p99_core",
    "score_mean_positive_core",
    "score_top5_positive_core",
    "score_max_positive_core",
    "score_p99_positive_core",
    "score_mean_z_core",
    "score_top5_z_core",
    "score_max_z_core",
    "score_p99_z_core",
    "score_mean_positive_z_core",
    "score_top5_positive_z_core",
    "score_max_positive_z_core",
    "score_p99_positive_z_core",
    "score_mean_contrast_core",
    "score_top5_contrast_core",
    "score_max_contrast_core",
    "score_p99_contrast_core",
]
SCORE_NAMES: tuple[ScoreName, ...] = get_args(ScoreName)

_PERCENTILE = 99
_LEAST_CORE = 0.25


def score_columns(
    values: F32,
    region: Mask,
    kind: Kind | Contrast,
    settings: ScoringSettings,
    *,
    z: bool = False,
    of: Region = "lungs",
) -> dict[str, float]:
    """Scores of one map, by the name of their column.

    Args:
        values: (S, S) float32, a map of one kind, or how far it lies above that of normals.
        region: (S, S) bool, the lungs or their core.
        kind: |x - G(x)|, its positive part, or `AnomalyMaps.contrast`.
        settings: share of the top5 scores and smoothing of the max scores.
        z: the values are in spreads of normals instead of units of the image.
        of: what the region is.

    Returns:
        mean, mean of the highest share, highest value of the smoothed map, and 99th percentile, all inside the region.

    Raises:
        ValueError: there is no lung pixel; such a radiograph must be set aside before it is scored.
    """
    inside = values[region]
    found: dict[Reducer, float] = {
        "mean": mean(inside),
        "top5": top_mean(inside, settings.top_share),
        "max": float(smooth_in_lung(values, region, settings.max_sigma)[region].max()),
        "p99": float(np.percentile(inside, _PERCENTILE)),
    }
    return {score_name(reducer, kind, z=z, of=of): value for reducer, value in found.items()}


def score_name(reducer: Reducer, kind: Kind | Contrast, *, z: bool, of: Region = "lungs") -> str:
    """Column of a score."""
    ends = ("" if kind == "absolute" else f"_{kind}", "_z" if z else "", CORE_ENDING if of == "core" else "")
    return f"score_{reducer}{''.join(ends)}"


def regions(lungs: Mask, margin: float) -> dict[Region, Mask]:
    """The lungs, and their core: without the rim, where a mask that is a little off makes a map of its own.

    Args:
        lungs: (S, S) bool, at least one pixel; beyond the image there is no lung.
        margin: width of the rim, pixels at a side of 256, scaled by S / 256.

    Returns:
        Masks (S, S) bool by region. Of lungs so narrow that less than a quarter would be left, the core is the quarter
        (or a little more, where pixels are equally deep) that lies deepest.

    Source: none; the region is the project's own.
    """
    scaled = margin * max(lungs.shape) / REFERENCE_SIDE
    depth = cv2.distanceTransform(np.pad(lungs, 1).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    least = np.quantile(depth[lungs], 1 - _LEAST_CORE, method="lower") if lungs.any() else np.inf
    return {"lungs": lungs, "core": (depth > scaled) | (depth >= least)}


def mean(values: F32) -> float:
    """Mean of (K,) lung pixels, summed in float64; ValueError where there are none."""
    if values.size == 0:
        raise ValueError("values must hold at least one lung pixel, got none; set the radiograph aside first")
    return float(values.mean(dtype=np.float64))


def top_mean(values: F32, share: float) -> float:
    """Mean of the ceil(share * K) highest of (K,) lung pixels.

    Raises:
        ValueError: no value, or a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    # a share times a count can miss its integer by rounding: 0.05 * 60 is 3.0000000000000004
    count = max(1, math.ceil(share * values.size - 1e-9))
    return mean(np.sort(values)[-count:])
