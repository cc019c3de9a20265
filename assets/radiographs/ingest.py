"""From the bytes of a source file, or from a phantom's index, to a radiograph on the canvas."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.images import to_uint16
from assets.radiographs.decode import decode, decode_mask
from assets.radiographs.decoded import Decoded, UnusableFile
from assets.radiographs.geometry import Canvas, check_mask_size, fit_canvas, place, place_boxes, place_mask
from assets.radiographs.identity import radiograph_id
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.photometric import apply_window, is_flat, robust_window
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.table import SourceRow
from assets.segmentation.cleanup import split_lungs

Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class SourceBytes:
    """The files of one row; masks are None where the row has none."""

    image: bytes
    lung_mask: bytes | None
    lesion_mask: bytes | None


def ingest(row: SourceRow, source: SourceBytes, settings: RadiographSettings) -> tuple[dict[str, Any], Arrays]:
    """Decode, window and place one radiograph with its masks and boxes.

    Args:
        row: what the cohort's table or listing says of it.
        source: the bytes of its files.
        settings: canvas size, window, limits.

    Returns:
        Manifest columns, and arrays: `image` uint16 (S, S), `lungs` uint8 (S, S) and `lesion` uint8 (S, S) where
        the row has them.

    Raises:
        UnusableFile: an image or mask that cannot be used; the message names neither file nor patient.
        ValueError: a mask of another size than its image.
    """
    decoded = decode(source.image, row.image, settings)
    if is_flat(decoded.pixels, settings.min_contrast):
        raise UnusableFile(
            "found an image without contrast (all pixels about equal); expected a radiograph; leave it out"
        )
    canvas = _canvas(row, decoded, settings)
    low, high = robust_window(decoded.pixels, settings.low_percentile, settings.high_percentile)
    arrays: Arrays = {"image": to_uint16(place(apply_window(decoded.pixels, low, high), canvas, settings.size))}
    if source.lung_mask is not None:
        arrays["lungs"] = _lungs(source.lung_mask, row, decoded, canvas, settings)
    if source.lesion_mask is not None:
        lesion = decode_mask(source.lesion_mask, row.lesion_mask or "", settings).labels
        check_mask_size(lesion.shape, decoded.pixels.shape)
        arrays["lesion"] = place_mask((lesion > 0).astype(np.uint8), canvas, settings.size)
    return {**_columns(decoded, canvas, row), **_has(arrays)}, arrays


def ingest_phantom(index: int, phantom: PhantomSettings) -> tuple[dict[str, Any], Arrays]:
    """A phantom as if it had been read from a file, with its exact masks and landmarks.

    Returns:
        As `ingest`; arrays also hold `landmarks`, float32 (40, 2), x and y in canvas pixels.
    """
    subject = phantom_subject(index, phantom.seed, phantom)
    arrays: Arrays = {"image": to_uint16(subject.image), "lungs": subject.lungs, "landmarks": subject.landmarks}
    if index % 2:
        arrays["lesion"] = subject.lesion
    columns = {
        "radiograph_id": radiograph_id(subject.image),
        "width": phantom.size,
        "height": phantom.size,
        "bits": 16,
        "scale_x": 1.0,
        "scale_y": 1.0,
        "offset_x": 0.0,
        "offset_y": 0.0,
        "boxes": [],
    }
    return {**columns, **_has(arrays)}, arrays


def _canvas(row: SourceRow, decoded: Decoded, settings: RadiographSettings) -> Canvas:
    height, width = decoded.pixels.shape
    if not settings.undo_squash:
        return fit_canvas(width, height, settings.size)
    if row.true_aspect_wh is None:
        raise UnusableFile(
            "has no true_aspect_wh while undo_squash is on for the cohort; fill it in or turn undo_squash off"
        )
    return fit_canvas(width, height, settings.size, row.true_aspect_wh)


def _lungs(
    data: bytes, row: SourceRow, decoded: Decoded, canvas: Canvas, settings: RadiographSettings
) -> npt.NDArray[np.uint8]:
    mask = decode_mask(data, row.lung_mask or "", settings)
    check_mask_size(mask.labels.shape, decoded.pixels.shape)
    return place_mask(mask.labels if mask.sides else split_lungs(mask.labels > 0), canvas, settings.size)


def _columns(decoded: Decoded, canvas: Canvas, row: SourceRow) -> dict[str, Any]:
    height, width = decoded.pixels.shape
    placed = place_boxes(np.array([box[:4] for box in row.boxes], dtype=np.float64).reshape(-1, 4), canvas)
    return {
        "radiograph_id": radiograph_id(decoded.pixels),
        "view": decoded.view,
        "sex": decoded.sex,
        "age": decoded.age,
        "width": width,
        "height": height,
        "bits": decoded.bits,
        "spacing_mm": decoded.spacing_mm[0] if decoded.spacing_mm else None,
        "scale_x": canvas.scale_x,
        "scale_y": canvas.scale_y,
        "offset_x": canvas.offset_x,
        "offset_y": canvas.offset_y,
        "boxes": [
            {"x": x, "y": y, "width": w, "height": h, "kind": str(box[4])}
            for (x, y, w, h), box in zip(placed.tolist(), row.boxes, strict=True)
        ],
    }


def _has(arrays: Arrays) -> dict[str, bool]:
    return {"has_lungs": "lungs" in arrays, "has_lesion": "lesion" in arrays}
