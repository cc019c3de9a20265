"""Pictures of lung masks: contact sheets, worst first, and the histogram of the quality score."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from assets.charts import COLORS, new_figure, plain, rendered
from assets.pictures import GAP, INK, PAPER, TEXT_SIZE, Color, contact_sheet, fitted, fitted_labels, outline, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
Row = Mapping[str, Any]

_REASON_LINES = 2
_REASON_COLOR: Color = (240, 160, 150)
_BIN_WIDTH = 0.02
# Below 1, or a bar of one radiograph would have no height on the logarithmic axis.
_AXIS_START = 0.7


def mask_sheet(
    images: Sequence[F32], lungs: Sequence[U8], captions: Sequence[str], columns: int = 6, side: int = 120
) -> U8:
    """Radiographs with the outlines of their lungs, patient-right orange, patient-left blue.

    Args:
        images: (H, W) each, in [0, 1].
        lungs: (H, W) labels each.
        captions: one a radiograph, such as a short radiograph id and a flag.
        columns: tiles in a row.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no image, or lists of different lengths.
    """
    tiles = [
        outline(fitted(image, side), fitted_labels(labels, side)) for image, labels in zip(images, lungs, strict=True)
    ]
    return contact_sheet(tiles, min(columns, max(1, len(tiles))), captions)


def worst_first(rows: Iterable[Row]) -> list[Row]:
    """Rows in the order in which a person should look at them.

    Rows that were set aside come first, then those that go on; in both the lowest quality comes first and rows
    without quality last. The gate sets aside whatever lies below it, so no low score is passed over.

    Args:
        rows: of the manifest: `radiograph_id`, `status`, `quality` (null where nothing was scored).
    """

    def place(row: Row) -> tuple[bool, bool, float, str]:
        quality = row["quality"]
        return row["status"] == "ok", quality is None, quality or 0.0, row["radiograph_id"]

    return sorted(rows, key=place)


def review_sheet(
    images: Sequence[F32], lungs: Sequence[U8], rows: Sequence[Row], columns: int = 6, side: int = 120
) -> U8:
    """Radiographs with outlined lungs; below each its short id, quality and mask source, and why it was set aside.

    Args:
        images: (H, W) each, in [0, 1], all of one shape.
        lungs: (H, W) labels each.
        rows: of the manifest, in the order of the images: `radiograph_id`, `status`, `reason`, `quality`,
            `mask_source`. A long reason is cut.
        columns: tiles in a row.
        side: longer side of a radiograph in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no image, lists of different lengths, or images of different shapes.
    """
    lines = _REASON_LINES if any(row["status"] != "ok" for row in rows) else 0
    tiles = []
    for image, labels, row in zip(images, lungs, rows, strict=True):
        picture = outline(fitted(image, side), fitted_labels(labels, side))
        tiles.append(np.concatenate([picture, _text_block(row, picture.shape[1], lines)]))
    return contact_sheet(tiles, min(columns, max(1, len(tiles))))


def _text_block(row: Row, width: int, reason_lines: int) -> U8:
    step = TEXT_SIZE + 2
    block = Image.new("RGB", (width, GAP + step * (1 + reason_lines)), PAPER)
    pen, font = ImageDraw.Draw(block), ImageFont.load_default(TEXT_SIZE)
    quality = "no score" if row["quality"] is None else f"{row['quality']:.2f}".lstrip("0")
    caption = f"{row['radiograph_id'][:6]} {quality} {row['mask_source'] or ''}"
    pen.text((1, 1), shortened(caption, width - 1), fill=INK, font=font)
    reason = "" if row["status"] == "ok" else row["reason"]
    for number, line in enumerate(_wrapped(reason.removeprefix("the "), width - 1, reason_lines), start=1):
        pen.text((1, 1 + step * number), line, fill=_REASON_COLOR, font=font)
    return np.array(block, dtype=np.uint8)


def _wrapped(text: str, width: int, lines: int) -> list[str]:
    """The text in at most `lines` lines of `width` pixels, broken between words, the last one cut."""
    font, words, wrapped = ImageFont.load_default(TEXT_SIZE), text.split(), list[str]()
    while words and len(wrapped) < lines - 1:
        count = 1
        while count < len(words) and font.getlength(" ".join(words[: count + 1])) <= width:
            count += 1
        wrapped.append(shortened(" ".join(words[:count]), width))
        words = words[count:]
    return [*wrapped, shortened(" ".join(words), width)] if words and lines else wrapped


def score_histogram(scores: Mapping[str, Sequence[float | None]], gate: float | None, title: str = "") -> U8:
    """Quality scores of a cohort's masks, one outline a group, with the gate marked.

    The counts lie on a logarithmic axis: the few masks below the gate are what one looks for among hundreds above.

    Args:
        scores: group, such as a status or a mask source, to its scores in [0, 1]; None and what is not finite are
            counted in the title.
        gate: smallest score that goes on; None where there is no gate.
        title: one line.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no finite score.
    """
    groups = {name: np.array(values, dtype=np.float64) for name, values in scores.items()}
    finite = {name: values[np.isfinite(values)] for name, values in groups.items()}
    every = np.concatenate([*finite.values()]) if finite else np.empty(0)
    if every.size == 0:
        raise ValueError("scores must hold at least one finite number")
    lost = sum(values.size for values in groups.values()) - every.size
    figure = new_figure(5.6, 3.0)
    axes = figure.add_subplot()
    _bars(axes, finite, float(min(every.min(), 1.0 if gate is None else gate)))
    if gate is not None:
        below = int((every < gate).sum())
        axes.axvline(gate, color="black", linewidth=1.2, linestyle=(0, (4, 2)), label=f"gate {gate:.2f}: {below} below")
    axes.set_xlabel("quality score: estimated Dice of the worse lung", fontsize=9)
    axes.set_ylabel("radiographs (logarithmic)", fontsize=9)
    axes.set_title(f"{title} ({lost} without score)" if lost else title, fontsize=10, loc="left")
    plain(axes)
    figure.legend(loc="outside lower left", ncols=3, fontsize=8, frameon=False)
    return rendered(figure)


def _bars(axes: "Axes", groups: Mapping[str, npt.NDArray[np.float64]], lowest: float) -> None:
    from matplotlib.ticker import FuncFormatter

    start = np.floor(max(0.0, lowest - _BIN_WIDTH) / _BIN_WIDTH) * _BIN_WIDTH
    edges = np.linspace(start, 1.0, 1 + max(1, round((1.0 - start) / _BIN_WIDTH)))
    for index, (name, values) in enumerate(groups.items()):
        color = COLORS[index % len(COLORS)]
        drawn = np.clip(values, edges[0], edges[-1])
        label = f"{name} ({values.size})"
        axes.hist(drawn, edges.tolist(), color=color, alpha=0.25)
        axes.hist(drawn, edges.tolist(), color=color, histtype="step", linewidth=1.4, label=label)
    axes.set_yscale("log")
    axes.set_ylim(bottom=_AXIS_START)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlim(float(start), 1.0)
