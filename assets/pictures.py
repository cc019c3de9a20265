"""Drawing shared by the stages' previews: outlines, overlays, contact sheets, PNG.

Pictures are RGB, (H, W, 3) uint8. Images are (H, W) float32 in [0, 1]; what lies outside is clipped for display.
"""

import functools
import io
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
RGB = npt.NDArray[np.uint8]
Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.bool_]
Color = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

# Okabe and Ito's palette: told apart with any color vision
ORANGE: Color = (230, 159, 0)
SKY: Color = (86, 180, 233)
GREEN: Color = (0, 210, 140)
RED: Color = (255, 70, 60)
WHITE: Color = (255, 255, 255)
RIGHT_LUNG, LEFT_LUNG = ORANGE, SKY

PAPER: Color = (20, 21, 24)
INK: Color = (228, 230, 235)
GAP = 4
TEXT_SIZE = 12
COLORS = 64
SMALLEST = 32


def to_rgb(image: F32) -> RGB:
    """Gray picture of an (H, W) image in [0, 1]."""
    gray = np.round(255 * np.clip(np.nan_to_num(image), 0, 1)).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)


def fitted(image: F32, side: int) -> F32:
    """An (H, W) image scaled so that its longer side has `side` pixels: areas are averaged, or bilinear."""
    width, height = _fitted_size(image.shape, side)
    shrinks = width < image.shape[1]
    scaled = cv2.resize(
        np.asarray(image, dtype=np.float32),
        (width, height),
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    )
    return np.asarray(scaled, dtype=np.float32)


def fitted_labels(labels: Pixels, side: int) -> U8:
    """(H, W) labels or mask scaled as `fitted` scales its image, each pixel the nearest label."""
    size = _fitted_size(labels.shape, side)
    scaled = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT)
    return np.asarray(scaled, dtype=np.uint8)


def outline(image: F32, lungs: Pixels) -> RGB:
    """The image with the lungs' outlines: patient-right (label 1) orange, patient-left (label 2) blue.

    Raises:
        ValueError: image and lungs differ in shape.
    """
    picture = to_rgb(image)
    for label, color in ((1, RIGHT_LUNG), (2, LEFT_LUNG)):
        picture = with_contour(picture, lungs == label, color)
    return picture


def with_contour(picture: RGB, mask: Pixels, color: Color) -> RGB:
    """A copy of the picture with the border of an (H, W) mask drawn on it.

    Raises:
        ValueError: picture and mask differ in shape.
    """
    if picture.shape[:2] != mask.shape:
        raise ValueError(f"the picture is {picture.shape[:2]} but its mask {mask.shape}; bring both to one size")
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(picture.copy(), contours, -1, color, 1, cv2.LINE_AA), dtype=np.uint8)


def with_boxes(picture: RGB, boxes: Sequence[Sequence[float]], color: Color) -> RGB:
    """A copy of the picture with boxes (x, y, width, height in its pixels) drawn on it."""
    drawn = picture.copy()
    for x, y, width, height in boxes:
        corner, far = (round(x), round(y)), (round(x + width) - 1, round(y + height) - 1)
        drawn = np.asarray(cv2.rectangle(drawn, corner, far, color, 1), dtype=np.uint8)
    return drawn


def heat(image: F32, anomaly_map: F32, vmax: float) -> RGB:
    """The image with a map laid over it, transparent below a twelfth of `vmax`, yellow at `vmax` and above.

    Raises:
        ValueError: shapes differ or vmax is not positive.
    """
    if image.shape != anomaly_map.shape:
        raise ValueError(f"image {image.shape} and anomaly_map {anomaly_map.shape} must have one shape")
    if not vmax > 0:
        raise ValueError(f"vmax must be positive, got {vmax}")
    import matplotlib

    value = np.clip(np.nan_to_num(anomaly_map) / vmax, 0, 1)
    # the dark end of the color map would black out healthy lung, so it starts at its purple
    color = np.asarray(matplotlib.colormaps["inferno"](0.3 + 0.65 * value))[..., :3]
    opacity = 0.85 * np.clip((value - 0.08) / 0.6, 0, 1)[..., None]
    blended = (1 - opacity) * (to_rgb(image) / 255) + opacity * color
    return np.asarray(np.round(255 * blended), dtype=np.uint8)


def checkerboard(first: F32, second: F32, squares: int = 6) -> RGB:
    """Fields of two images in turn, the first in the upper left corner; edges meet where the images align.

    Raises:
        ValueError: shapes differ.
    """
    if first.shape != second.shape:
        raise ValueError(f"first {first.shape} and second {second.shape} must have one shape")
    rows, columns = (np.arange(size) * squares // size for size in first.shape)
    odd = (rows[:, None] + columns[None, :]) % 2 == 1
    return to_rgb(np.where(odd, second, first))


def contact_sheet(
    tiles: Sequence[RGB],
    columns: int,
    captions: Sequence[str] | None = None,
    headings: Sequence[str] | None = None,
) -> RGB:
    """Tiles of one shape in rows on a dark page.

    Args:
        tiles: (h, w, 3) each, row by row.
        columns: tiles in a row.
        captions: one line under each tile, cut where it is too long; never a patient's name or identifier.
        headings: one line above each column.

    Returns:
        The page.

    Raises:
        ValueError: no tile, tiles of different shapes, or a wrong number of captions or headings.
    """
    _check_sheet(tiles, columns, captions, headings)
    height, width, _ = tiles[0].shape
    line = TEXT_SIZE + 6
    top = GAP + (line if headings else 0)
    step_y, step_x = height + GAP + (line if captions else 0), width + GAP
    rows = -(-len(tiles) // columns)
    page = Image.new("RGB", (GAP + columns * step_x, top + rows * step_y), PAPER)
    pen = ImageDraw.Draw(page)
    for column, heading in enumerate(headings or ()):
        pen.text((GAP + column * step_x, GAP), shortened(heading, width), fill=INK, font=_font(TEXT_SIZE))
    for index, tile in enumerate(tiles):
        x, y = GAP + index % columns * step_x, top + index // columns * step_y
        page.paste(Image.fromarray(tile), (x, y))
        if captions:
            text = shortened(captions[index], width)
            pen.text((x + 1, y + height + 1), text, fill=INK, font=_font(TEXT_SIZE))
    return np.array(page, dtype=np.uint8)


def shortened(text: str, width: int, size: int = TEXT_SIZE) -> str:
    """The text, cut with two dots where it is wider than `width` pixels."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "..") > width:
        text = text[:-1]
    return text.rstrip() + ".."


def to_png(picture: RGB, max_bytes: int | None = None) -> bytes:
    """The picture as PNG, made to fit where a size is given.

    Too large a file is first written with a palette, then smaller as well.

    Raises:
        ValueError: no picture of 32 pixels a side or more fits into `max_bytes`.
    """
    image = Image.fromarray(picture)
    png = _png(image)
    while max_bytes is not None and len(png) > max_bytes:
        # without the refinement by k-means the few colored pixels lose their colors to the many gray ones
        png = _png(image.quantize(COLORS, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE))
        if len(png) <= max_bytes:
            return png
        # a file grows with its area; the least step keeps a misjudged one from being tried for long
        scale = min(0.9, float(np.sqrt(max_bytes / len(png))))
        smaller = (int(image.width * scale), int(image.height * scale))
        if min(smaller) < SMALLEST:
            raise ValueError(f"the picture cannot be written legibly in max_bytes={max_bytes}; allow more")
        image = image.resize(smaller, Image.Resampling.LANCZOS)
    return png


def _fitted_size(shape: tuple[int, ...], side: int) -> tuple[int, int]:
    scale = side / max(shape)
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _check_sheet(
    tiles: Sequence[RGB], columns: int, captions: Sequence[str] | None, headings: Sequence[str] | None
) -> None:
    if not tiles or columns < 1:
        raise ValueError(f"a sheet needs a tile and a column, got {len(tiles)} and {columns}")
    shapes = {tile.shape for tile in tiles}
    if len(shapes) > 1:
        raise ValueError(f"tiles must have one shape, got {sorted(shapes)}; scale them with fitted()")
    if captions and len(captions) != len(tiles):
        raise ValueError(f"{len(captions)} captions for {len(tiles)} tiles")
    if headings and len(headings) != columns:
        raise ValueError(f"{len(headings)} headings for {columns} columns")


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


@functools.cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size)
