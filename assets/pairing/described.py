"""What is measured of one radiograph for its pairs, from its stored arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

from assets.pairing.descriptor import lung_shape, thumbnail
from assets.pairing.frame_boxes import Registration, boxes_in_frame
from assets.pairing.frames import U8, FrameRows, Read, Row, frame
from assets.prealignment.warp import dequantize

# Raised whenever the same radiograph would be described otherwise than before.
DESCRIPTION = "1"
CORNERS = ("x", "y", "width", "height")


def described(rows: FrameRows, read: Read) -> dict[str, npt.NDArray[Any]]:
    """Thumbnails `before` and `after` registration, and the lungs' `shape` before it.

    Args:
        rows: manifest rows of the radiograph.
        read: fetches a row's arrays.
    """
    nowhere: U8 = np.zeros((1, 1), np.uint8)
    own, registered = (frame(alignment, rows, nowhere, read) for alignment in ("none", "it_dpr"))
    return {
        "before": thumbnail(own.image, own.lungs),
        "after": thumbnail(registered.image, registered.lungs),
        "shape": lung_shape(own.lungs),
    }


def carried_boxes(known: Registration, rows: FrameRows, read: Read) -> list[Row]:
    """Boxes of a radiograph's canvas, each with its kind, in the reference frame.

    Args:
        known: reference and registration of the cohort.
        rows: manifest rows of the radiograph.
        read: fetches a row's arrays.
    """
    boxes: list[Row] = rows.radiograph["boxes"]
    corners = np.array([[box[name] for name in CORNERS] for box in boxes])
    moved = boxes_in_frame(
        known,
        read(rows.lungs)["lungs"],
        dequantize(read(rows.prealigned)["displacement"]),
        read(rows.registered)["velocity"],
        corners,
    )
    return [
        {**dict(zip(CORNERS, numbers, strict=True)), "kind": box["kind"]}
        for numbers, box in zip(moved.tolist(), boxes, strict=True)
    ]
