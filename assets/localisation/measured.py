"""All that is measured of one map on one radiograph, as columns of a row."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assets.localisation.boxes import iou, over_second
from assets.localisation.detection import detect
from assets.localisation.pixels import dice, pixel_measures
from assets.localisation.pointing import area_share, contrast_to_noise, energy_inside, pointing_game
from assets.localisation.settings import LocalisationSettings
from assets.localisation.smoothness import smoothness
from assets.localisation.truth import Truth
from assets.scoring.anomaly_map import smooth_in_lung
from assets.tables.localisation import BY_SIGMA

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

# Thresholds, as shares of a map's own maximum, over which it is asked how steadily the surest region finds a box.
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def measure(
    anomaly_map: F32, truth: Truth, lungs: Mask, threshold: float | None, settings: LocalisationSettings
) -> dict[str, Any]:
    """Columns of one map, named as in the table; null is what the truth cannot tell.

    Args:
        anomaly_map: (H, W) float32 on the radiograph's canvas, at least 0 and 0 outside the lungs.
        truth: of the radiograph.
        lungs: (H, W) bool.
        threshold: what few pixels of normal radiographs exceed, in units of the map; None where unknown.
        settings: of the stage.

    Returns:
        `surest`, here and in `by_sigma`, as (0 or 1, 5) and `detections` as (K, 5) in canvas px, the rest as plain
        numbers and lists.

    Raises:
        ValueError: the map is not finite, or there is no lung pixel.
    """
    if not np.isfinite(anomaly_map).all():
        raise ValueError("the anomaly map holds values that are not finite; score the radiograph again")
    smoothed = smooth_in_lung(anomaly_map, lungs, settings.detection_sigma)
    found = detect(anomaly_map, smoothed, lungs, threshold, settings)
    columns = {
        "truth": truth.source,
        "boxes_left_out": truth.left_out,
        "threshold": threshold,
        "surest": _surest(anomaly_map, smoothed, lungs, settings),
        "detections": found,
        "smoothness": smoothness(anomaly_map, lungs),
    }
    if threshold is not None and (truth.lesion is not None or truth.source == "normal"):
        columns["dice"] = dice(smoothed >= threshold, truth.target if truth.lesion is None else truth.lesion, lungs)
    if truth.source == "normal":
        return columns
    columns["iou_any"] = iou(truth.boxes, found[:, :4]).max(axis=1, initial=0).tolist()
    by_sigma = [_asked_where(anomaly_map, smoothed, truth.boxes, lungs, settings)]
    for sigma in settings.surest_sigmas:
        wider = settings.model_copy(update={"detection_sigma": sigma})
        by_sigma.append(_asked_where(anomaly_map, smooth_in_lung(anomaly_map, lungs, sigma), truth.boxes, lungs, wider))
    first = {name: by_sigma[0][name] for name in BY_SIGMA}
    return {**columns, **first, "by_sigma": by_sigma, **_pointed(anomaly_map, truth, lungs, settings)}


def _surest(anomaly_map: F32, smoothed: F32, lungs: Mask, settings: LocalisationSettings) -> F64:
    """Asked where, not whether: silence must not count as a wrong answer that a guess never gives."""
    return detect(anomaly_map, smoothed, lungs, None, settings)[:1]


def _asked_where(
    anomaly_map: F32, smoothed: F32, boxes: F64, lungs: Mask, settings: LocalisationSettings
) -> dict[str, Any]:
    """The surest region at a smoothing; of each box, its overlap with it and how much of the surest lies in it."""
    surest = _surest(anomaly_map, smoothed, lungs, settings)
    nothing = [0.0] * len(boxes)
    return {
        "sigma": settings.detection_sigma,
        "surest": surest,
        "iou": iou(boxes, surest[:, :4])[:, 0].tolist() if len(surest) else nothing,
        "iobb": over_second(boxes, surest[:, :4])[:, 0].tolist() if len(surest) else nothing,
        "iou_by_share": _by_share(anomaly_map, smoothed, boxes, lungs, settings),
    }


def _by_share(
    anomaly_map: F32, smoothed: F32, boxes: F64, lungs: Mask, settings: LocalisationSettings
) -> list[list[float]]:
    """Of each box: overlap with the surest region of the map at every one of `SHARES`."""
    columns = []
    for share in SHARES:
        chosen = settings.model_copy(update={"relative_threshold": share})
        surest = _surest(anomaly_map, smoothed, lungs, chosen)
        columns.append(iou(boxes, surest[:, :4])[:, 0] if len(surest) else np.zeros(len(boxes)))
    rows: list[list[float]] = np.stack(columns, axis=1).tolist()
    return rows


def _pointed(anomaly_map: F32, truth: Truth, lungs: Mask, settings: LocalisationSettings) -> dict[str, float | None]:
    target = truth.target
    measured: dict[str, float | None] = {
        "pointing": pointing_game(anomaly_map, target, lungs, settings.pointing_sigma),
        "energy": energy_inside(anomaly_map, target, lungs),
        "area_share": area_share(target, lungs),
        "contrast": contrast_to_noise(anomaly_map, target, lungs),
    }
    pixels = pixel_measures(anomaly_map, target if truth.lesion is None else truth.lesion, lungs)
    if pixels is not None and truth.lesion is None:
        measured["box_pixel_auc"] = pixels.auc
    elif pixels is not None:
        measured |= {
            "pixel_auc": pixels.auc,
            "pixel_ap": pixels.ap,
            "aupro": pixels.aupro,
            "dice_oracle": pixels.dice_oracle,
        }
    return measured
