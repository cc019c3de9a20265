"""An anomaly map over its radiograph, in the radiograph's own pixels."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from assets.images import F32
from assets.pictures import INK, PAPER, RGB, heat, with_contour
from assets.radiographs.geometry import Canvas

NOTICE = "Research use only. Not a medical device: it may not guide the care of a patient."
LINE = 14
MARGIN = 4


def on_source(canvas_map: F32, canvas: Canvas, shape: tuple[int, int]) -> F32:
    """A map of the canvas on the grid of the source image.

    Args:
        canvas_map: (S, S) float32.
        canvas: where the source lies on it.
        shape: (H, W) of the source.

    Returns:
        (H, W) float32, bilinear.
    """
    height, width = shape
    x = (np.arange(width) * canvas.scale_x + canvas.offset_x).astype(np.float32)
    y = (np.arange(height) * canvas.scale_y + canvas.offset_y).astype(np.float32)
    places = np.meshgrid(x, y)
    found = cv2.remap(np.ascontiguousarray(canvas_map), *places, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, dtype=np.float32)


def overlay(image: F32, anomaly: F32, lungs: F32, full: float, caption: str) -> RGB:
    """The radiograph with its map and the lungs' outline, and below it what it may be used for.

    The picture's upper left (H, W) pixels are those of the radiograph.

    Args:
        image: (H, W) in [0, 1].
        anomaly: (H, W), 0 outside the lungs.
        lungs: (H, W), lung from 0.5 on.
        full: value of the map that is drawn in full color, above 0.
        caption: one line; no patient's name.

    Returns:
        (H + a strip, W, 3) uint8.
    """
    picture = with_contour(heat(image, anomaly, full), lungs >= 0.5, (86, 180, 233))
    strip = _strip(picture.shape[1], [caption, NOTICE])
    return np.concatenate([picture, strip])


def _strip(width: int, texts: list[str]) -> RGB:
    font = ImageFont.load_default(LINE - 4)
    lines = [line for text in texts for line in _wrapped(text, width - 2 * MARGIN, font)]
    page = Image.new("RGB", (width, 2 * MARGIN + LINE * len(lines)), PAPER)
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        pen.text((MARGIN, MARGIN + LINE * number), line, fill=INK, font=font)
    return np.array(page, dtype=np.uint8)


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """Lines of whole words; a single word that is too wide stands in a line of its own."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
