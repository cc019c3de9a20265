"""Which radiographs a shard is measured on, and how a measurement becomes a row in the pixels of its source file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.localisation.boxes import clipped
from assets.localisation.truth import image_frame
from assets.pairing.frames import FrameRows, Row
from assets.radiographs.geometry import Canvas, restore_boxes

F64 = npt.NDArray[np.float64]

SPLITS = ("validation", "test")
CORNERS = ("x", "y", "width", "height")


def corners(boxes: Sequence[Row] | None) -> list[list[float]]:
    """Boxes of a table's cell as lists of x, y, width, height."""
    return [[box[name] for name in CORNERS] for box in boxes or ()]


def is_drawn(radiograph: Row) -> bool:
    """Whether anybody has drawn where a radiograph's findings are."""
    return bool(radiograph["boxes"]) or bool(radiograph["has_lesion"])


def measured_rows(rows: Sequence[FrameRows], normals: int) -> list[FrameRows]:
    """Radiographs of the scored splits that are measured, in the order of their ids.

    All whose findings are drawn, and of each split at most so many normal ones (ids are hashes of pixels, so the first
    are as good as any); none where nothing is drawn. An abnormal radiograph without boxes is left out: where its
    findings are is not known.
    """
    scored = sorted(
        (row for row in rows if row.radiograph["split"] in SPLITS), key=lambda row: str(row.radiograph["radiograph_id"])
    )
    drawn = [row for row in scored if is_drawn(row.radiograph)]
    if not drawn:
        return []
    plain = [row for row in scored if not is_drawn(row.radiograph) and row.radiograph["domain"] == "normal"]
    kept = [row for split in SPLITS for row in [each for each in plain if each.radiograph["split"] == split][:normals]]
    return sorted([*drawn, *kept], key=lambda row: str(row.radiograph["radiograph_id"]))


def canvas_of(radiograph: Row) -> Canvas:
    """Where a radiograph's source image lies on the canvas."""
    return Canvas(*(radiograph[name] for name in ("scale_x", "scale_y", "offset_x", "offset_y")))


def frame_of(radiograph: Row) -> tuple[float, float, float, float]:
    """What a radiograph's image covers of its canvas, (x, y, width, height), px."""
    return image_frame(canvas_of(radiograph), radiograph["width"], radiograph["height"])


def in_source_pixels(columns: dict[str, Any], boxes: F64, radiograph: Row) -> dict[str, Any]:
    """Columns of a measurement with boxes and detections carried from the canvas to the source file, cut at its border.

    Args:
        columns: of `measure`.
        boxes: (K, 4), the truth, canvas px.
        radiograph: its row, with size, scale and offset.
    """
    canvas = canvas_of(radiograph)
    by_sigma = columns.get("by_sigma")
    return {
        **columns,
        "width": radiograph["width"],
        "height": radiograph["height"],
        "boxes": [
            {**_named(box), "kind": kind}
            for box, kind in zip(restore_boxes(boxes, canvas), _kinds(columns["truth"], boxes, radiograph), strict=True)
        ],
        "surest": _first_in_source(columns["surest"], radiograph),
        "detections": detections_in_source(columns["detections"], radiograph),
        "by_sigma": by_sigma
        and [{**each, "surest": _first_in_source(each["surest"], radiograph)} for each in by_sigma],
    }


def _first_in_source(found: F64, radiograph: Row) -> Row | None:
    return next(iter(detections_in_source(found, radiograph)), None)


def detections_in_source(found: F64, radiograph: Row) -> list[Row]:
    """Detections in pixels of the source file, cut at its border.

    Args:
        found: (K, 5), columns x, y, width, height, score, canvas px.
        radiograph: its row, with size, scale and offset.
    """
    canvas, whole = canvas_of(radiograph), (0.0, 0.0, float(radiograph["width"]), float(radiograph["height"]))
    # None lies beside the image: the map is 0 there.
    placed = [(clipped(restore_boxes(each[None, :4], canvas), whole), float(each[4])) for each in found]
    return [{**_named(box), "score": score} for rows, score in placed for box in rows]


def boxes_in_source(radiograph: Row) -> list[Row] | None:
    """Boxes of a radiograph's row in pixels of its source file; None where it was not decoded."""
    if radiograph["scale_x"] is None:
        return None
    boxes = radiograph["boxes"] or []
    placed = restore_boxes(np.array(corners(boxes), dtype=np.float64), canvas_of(radiograph))
    return [{**_named(box), "kind": each["kind"]} for each, box in zip(boxes, placed, strict=True)]


def _kinds(source: str, boxes: F64, radiograph: Row) -> list[str]:
    kinds = [box["kind"] or "" for box in radiograph["boxes"] or ()]
    # Where a box was left out it is not told which.
    return kinds if source == "boxes" and len(kinds) == len(boxes) else [""] * len(boxes)


def _named(box: F64) -> dict[str, float]:
    return dict(zip(CORNERS, box.tolist(), strict=True))
