"""A sheet of scored images: each radiograph beside its map, with what is drawn in it and what stands out of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.image_scores.overlay import full_scale
from assets.images import F32
from assets.localisation.rows import corners
from assets.pictures import GREEN, RGB, SKY, WHITE, contact_sheet, fitted, heat, to_rgb, with_boxes, with_contour
from assets.radiographs.geometry import Canvas, place_boxes

SIDE = 112
GROUPS = 4


@dataclass(frozen=True)
class Shown:
    """A scored image.

    Attributes:
        image: (S, S) in [0, 1], on its canvas.
        anomaly: (S, S), smoothed for display.
        lungs: (S, S), 0 or 1.
        canvas: where the source lies on it.
        boxes: what is drawn, in pixels of the source; None where nobody knows.
        detections: what stands out, in pixels of the source, the surest first.
        caption: such as its score; no patient's name.
    """

    image: F32
    anomaly: F32
    lungs: F32
    canvas: Canvas
    boxes: Sequence[Mapping[str, Any]] | None
    detections: Sequence[Mapping[str, Any]] | None
    caption: str


def score_sheet(shown: Sequence[Shown]) -> RGB:
    """Radiograph and map side by side, four images in a row; one scale for all maps.

    What is drawn is green; of what stands out the surest box is white, the lungs' outline is blue.

    Args:
        shown: at least one image.

    Returns:
        (h, w, 3) uint8.
    """
    full = full_scale([each.anomaly for each in shown], [each.lungs for each in shown])
    tiles = [tile for each in shown for tile in _tiles(each, full)]
    captions = [text for each in shown for text in (each.caption, "")]
    return contact_sheet(tiles, 2 * min(GROUPS, len(shown)), captions)


def _tiles(shown: Shown, full: float) -> list[RGB]:
    small = fitted(shown.image, SIDE)
    lungs = fitted(shown.lungs, SIDE) >= 0.5
    over = with_contour(heat(small, fitted(shown.anomaly, SIDE), full), lungs, SKY)
    drawn = [with_boxes(picture, _placed(shown, shown.boxes), GREEN) for picture in (to_rgb(small), over)]
    return [drawn[0], with_boxes(drawn[1], _placed(shown, (shown.detections or ())[:1]), WHITE)]


def _placed(shown: Shown, boxes: Sequence[Mapping[str, Any]] | None) -> list[list[float]]:
    on_canvas = place_boxes(np.array(corners([dict(box) for box in boxes or ()]), dtype=np.float64), shown.canvas)
    placed: list[list[float]] = (on_canvas * SIDE / max(shown.image.shape)).tolist()
    return placed
