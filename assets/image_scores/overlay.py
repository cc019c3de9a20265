"""An anomaly map over its radiograph, in the radiograph's own pixels."""

from collections.abc import Sequence

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from assets.images import F32
from assets.pictures import INK, PAPER, RGB, heat, with_contour
from assets.radiographs.geometry import Canvas

NOTICE = "Research use only. Not a medical device: it may not guide the care of a patient."
LINE = 14
MARGIN = 4
# Share of the lungs' pixels that are drawn in full color where nothing tells what normal lungs look like.
BRIGHTEST = 0.998


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


def cropped(picture: F32, frame: tuple[float, float, float, float]) -> F32:
    """The part of a canvas that its image covers.

    Args:
        picture: (S, S).
        frame: x, y, width, height of the image, canvas px.

    Returns:
        (h, w), at least a pixel a side.
    """
    x, y, width, height = frame
    left, top = max(0, round(x)), max(0, round(y))
    return picture[top : max(top + 1, round(y + height)), left : max(left + 1, round(x + width))]


def full_scale(maps: Sequence[F32], lungs: Sequence[F32]) -> float:
    """Value that is drawn in full color: few of the lungs' pixels exceed it; above 0.

    Args:
        maps: (S, S) each.
        lungs: (S, S) each; above 0 is lung.
    """
    inside = np.concatenate([values[mask > 0] for values, mask in zip(maps, lungs, strict=True)])
    return max(float(np.quantile(inside, BRIGHTEST)) if inside.size else 0.0, 1e-6)


def score_line(arm: str, seed: int, score: float, threshold: float | None) -> str:
    """What an overlay says of its image."""
    limit = "no threshold" if threshold is None else f"threshold {threshold:.4g}"
    return f"{arm} seed {seed}: score {score:.4g}, {limit}"


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
