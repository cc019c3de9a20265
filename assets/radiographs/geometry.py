"""From a file's pixel grid to the square canvas and back, in pixel-centre coordinates."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
F64 = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Canvas:
    """Where a source image lies on the canvas: canvas = source * scale + offset, pixel centres at integers.

    Attributes:
        scale_x: canvas pixels a source pixel, along columns.
        scale_y: the same along rows.
        offset_x: canvas column of the centre of source column 0.
        offset_y: canvas row of the centre of source row 0.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    @property
    def edges(self) -> tuple[float, float]:
        """Canvas position (x, y) of the source's upper left corner, counted from the canvas's corner."""
        return (self.offset_x - 0.5 * self.scale_x + 0.5, self.offset_y - 0.5 * self.scale_y + 0.5)


def fit_canvas(width: int, height: int, size: int, true_aspect_wh: float | None = None) -> Canvas:
    """Fit an image into a square, aspect kept, the shorter side centered.

    Args:
        width: source columns.
        height: source rows.
        size: side of the canvas.
        true_aspect_wh: width / height of what was photographed, where the file was squashed to another shape;
            None keeps the file's own aspect.

    Raises:
        ValueError: a size below 1, or an aspect outside 1/5 to 5.
    """
    if min(width, height, size) < 1:
        raise ValueError(f"width {width}, height {height}, size {size}: expected at least 1; check the image")
    aspect = width / height if true_aspect_wh is None else true_aspect_wh
    if not 0.2 <= aspect <= 5:
        raise ValueError(f"aspect {aspect:g}: expected 0.2 to 5 for a radiograph; check the image or true_aspect_wh")
    content_width = size if aspect >= 1 else max(1, round(size * aspect))
    content_height = size if aspect <= 1 else max(1, round(size / aspect))
    scale_x, scale_y = content_width / width, content_height / height
    left, top = (size - content_width) // 2, (size - content_height) // 2
    # A pixel's centre lies half a pixel inside its edge, on both grids.
    return Canvas(scale_x, scale_y, left + 0.5 * scale_x - 0.5, top + 0.5 * scale_y - 0.5)


def place(image: F32, canvas: Canvas, size: int) -> F32:
    """Resample an image onto the canvas: area average where it shrinks, bilinear where it grows, 0 outside.

    Args:
        image: float32 (H, W).
        canvas: from `fit_canvas` for this image's width and height.
        size: side of the canvas.

    Returns:
        float32 (size, size).

    Raises:
        ValueError: the canvas was made for an image of another size.
    """
    height, width = image.shape
    content = (round(width * canvas.scale_x), round(height * canvas.scale_y))
    left, top = (round(edge) for edge in canvas.edges)
    exact = np.isclose((width * canvas.scale_x, height * canvas.scale_y), content, atol=1e-3).all()
    if not exact or min(left, top) < 0 or left + content[0] > size or top + content[1] > size:
        raise ValueError(
            f"image of {width} x {height} pixels does not fit this canvas; make one with fit_canvas for it"
        )
    placed = np.zeros((size, size), dtype=np.float32)
    placed[top : top + content[1], left : left + content[0]] = _resized(image, content)
    return placed


def _resized(image: F32, content: tuple[int, int]) -> F32:
    # OpenCV averages areas only if no axis grows, so shrinking and growing are two passes.
    height, width = image.shape
    shrunk = (min(content[0], width), min(content[1], height))
    if shrunk != (width, height):
        image = np.asarray(cv2.resize(image, shrunk, interpolation=cv2.INTER_AREA), dtype=np.float32)
    if content != shrunk:
        image = np.asarray(cv2.resize(image, content, interpolation=cv2.INTER_LINEAR), dtype=np.float32)
    return image


def check_mask_size(mask_shape: tuple[int, ...], image_shape: tuple[int, ...]) -> None:
    """Refuse a mask that was not drawn on its image's own grid.

    Raises:
        ValueError: the shapes (H, W) differ.
    """
    if mask_shape != image_shape:
        raise ValueError(
            f"mask of {mask_shape[1]} x {mask_shape[0]} pixels on an image of {image_shape[1]} x {image_shape[0]}: "
            "expected the same size; resample the mask to its image"
        )


def place_mask(mask: U8, canvas: Canvas, size: int) -> U8:
    """Resample labels onto the canvas: each label as a soft mask, threshold 0.5, the lower label wins a tie.

    Args:
        mask: uint8 (H, W); 0 background.
        canvas: of the image the mask belongs to.
        size: side of the canvas.

    Returns:
        uint8 (size, size).

    Raises:
        ValueError: the canvas was made for another size.
    """
    placed = np.zeros((size, size), dtype=np.uint8)
    for label in np.unique(mask[mask > 0]):
        soft = place((mask == label).astype(np.float32), canvas, size)
        placed[(soft >= 0.5) & (placed == 0)] = label
    return placed


def place_boxes(boxes: npt.NDArray[np.floating], canvas: Canvas) -> F64:
    """Boxes of the source image on the canvas.

    A box (x, y, width, height) is given by edges: x = 10, width = 5 covers columns 10 to 14.

    Args:
        boxes: (K, 4), source pixels.
        canvas: of the image.

    Returns:
        float64 (K, 4), canvas pixels.
    """
    left, top = canvas.edges
    scale = np.array([canvas.scale_x, canvas.scale_y] * 2)
    return np.asarray(_box_rows(boxes) * scale + np.array([left, top, 0, 0]))


def restore_boxes(boxes: npt.NDArray[np.floating], canvas: Canvas) -> F64:
    """Boxes of the canvas on the source image: the inverse of `place_boxes`, (K, 4) to (K, 4)."""
    left, top = canvas.edges
    scale = np.array([canvas.scale_x, canvas.scale_y] * 2)
    return np.asarray((_box_rows(boxes) - np.array([left, top, 0, 0])) / scale)


def _box_rows(boxes: npt.NDArray[np.floating]) -> F64:
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
