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
from assets.radiographs.lung_masks import decode_lungs, joined_sides
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.photometric import apply_window, is_flat, robust_window
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.source_row import SourceRow
from assets.segmentation.cleanup import split_lungs

U8 = npt.NDArray[np.uint8]
Arrays = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class SourceBytes:
    """The files of one row; masks are None where the row has none, those of the sides are both there or neither."""

    image: bytes
    lung_mask: bytes | None
    lesion_mask: bytes | None
    right_lung_mask: bytes | None = None
    left_lung_mask: bytes | None = None


def ingest(row: SourceRow, source: SourceBytes, settings: RadiographSettings) -> tuple[dict[str, Any], Arrays]:
    """Decode, window and place one radiograph with its masks and boxes.

    Args:
        row: what the cohort's table or listing says of it.
        source: the bytes of its files.
        settings: canvas size, window, limits.

    Returns:
        Manifest columns, and arrays: `image` uint16 (S, S), `lungs` uint8 (S, S) and `lesion` uint8 (S, S) where
        the row has them. A run-length encoded mask that cannot be used is left out, with the reason in the column
        `mask_problem`: it comes from a table that the cohort did not make, and lungs can be found without it.

    Raises:
        UnusableFile: an image or mask file that cannot be used; the message names neither file nor patient.
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
    lungs, mask_problem = _lungs(row, source, decoded, settings)
    if lungs is not None:
        arrays["lungs"] = place_mask(lungs, canvas, settings.size)
    if source.lesion_mask is not None:
        lesion = decode_mask(source.lesion_mask, row.lesion_mask or "", settings).labels
        check_mask_size(lesion.shape, decoded.pixels.shape)
        arrays["lesion"] = place_mask((lesion > 0).astype(np.uint8), canvas, settings.size)
    problem = {"mask_problem": mask_problem} if mask_problem else {}
    return {**_columns(decoded, canvas, row), **_has(arrays), **problem}, arrays


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
    row: SourceRow, source: SourceBytes, decoded: Decoded, settings: RadiographSettings
) -> tuple[U8 | None, str | None]:
    """Lungs on the image's own grid, None where the row has none, and why a published mask was left out."""
    if row.encoded_lungs is not None:
        height, width = decoded.pixels.shape
        try:
            return decode_lungs(row.encoded_lungs, (height, width), settings), None
        except UnusableFile as error:
            return None, str(error)
    if source.right_lung_mask is not None and source.left_lung_mask is not None:
        right = _one_lung(source.right_lung_mask, row.right_lung_mask or "", decoded, settings)
        left = _one_lung(source.left_lung_mask, row.left_lung_mask or "", decoded, settings)
        return joined_sides(right, left), None
    if source.lung_mask is None:
        return None, row.mask_problem
    mask = decode_mask(source.lung_mask, row.lung_mask or "", settings)
    check_mask_size(mask.labels.shape, decoded.pixels.shape)
    if not mask.labels.any():
        raise UnusableFile("found an empty lung mask; expected lungs; draw them or leave the mask out")
    return mask.labels if mask.sides else split_lungs(mask.labels > 0), None


def _one_lung(data: bytes, name: str, decoded: Decoded, settings: RadiographSettings) -> npt.NDArray[np.bool_]:
    labels = decode_mask(data, name, settings).labels
    check_mask_size(labels.shape, decoded.pixels.shape)
    if (labels == 1).any() and (labels == 2).any():
        raise UnusableFile(
            "found labels 1 and 2 in the mask of one lung; expected one lung; declare it as lung_mask or mask_folder"
        )
    return np.asarray(labels > 0)


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
