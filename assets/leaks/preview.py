"""Pictures of the leak control: areas by kind of mask, and the masks themselves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.charts import COLORS, GRAY, new_figure, plain, rendered
from assets.images import F32
from assets.leaks.settings import Variant
from assets.pictures import contact_sheet, fitted, fitted_labels, outline, to_rgb

U8 = npt.NDArray[np.uint8]
Row = Mapping[str, Any]


def leak_chart(rows: Sequence[Row]) -> U8:
    """A group of dots a scorer, a color a kind of mask, with intervals; a filled dot differs from the masks in use.

    Args:
        rows: of the table; those without an area are not drawn.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no row has an area.
    """
    shown = [row for row in rows if row["scorer"] and row["auc"] is not None]
    if not shown:
        raise ValueError("rows must hold at least one area")
    scorers, variants = (list(dict.fromkeys(row[name] for row in shown)) for name in ("scorer", "variant"))
    figure = new_figure(7.2, 1.3 + len(scorers) * (0.12 + 0.13 * len(variants)))
    axes = figure.add_subplot()
    axes.axvline(0.5, color=GRAY, linewidth=0.8, linestyle=(0, (2, 3)))
    for row in shown:
        place = variants.index(row["variant"])
        height = scorers.index(row["scorer"]) + 0.8 * (place + 0.5) / len(variants) - 0.4
        color = COLORS[place % len(COLORS)]
        if row["low"] is not None:
            axes.plot([row["low"], row["high"]], [height, height], color=color, linewidth=1.1)
        differs = row["p"] is not None and row["p"] < 0.05
        axes.plot(row["auc"], height, "o", color=color, markersize=4.5, markerfacecolor=color if differs else "white")
    for place, variant in enumerate(variants):
        axes.plot([], [], "o-", color=COLORS[place % len(COLORS)], markersize=4, label=variant.replace("_", " "))
    axes.set(ylim=(len(scorers) - 0.5, -0.5))
    axes.set_yticks(range(len(scorers)), [name.replace("_", " ") for name in scorers])
    axes.set_xlabel("area under the ROC curve; filled: p < 0.05 against the masks in use", fontsize=9)
    figure.legend(loc="outside upper left", ncols=len(variants), fontsize=8, frameon=False)
    plain(axes)
    return rendered(figure)


def mask_sheet(shown: Sequence[Mapping[Variant, tuple[F32, U8, F32]]], side: int = 120) -> U8:
    """A column a kind of mask, a row a radiograph with its outline, and under it what that brings to the reference.

    Args:
        shown: of each radiograph, by variant: image (H, W), labels (H, W), image in the frame (S, S) in [0, 1].
        side: of the tiles, pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no radiograph, or they differ in their variants.
    """
    variants = list(shown[0]) if shown else []
    if not variants or any(list(one) != variants for one in shown):
        raise ValueError("shown must hold at least one radiograph, and the same variants of each")
    tiles = []
    for one in shown:
        tiles += [outline(fitted(image, side), fitted_labels(lungs, side)) for image, lungs, _ in one.values()]
        tiles += [to_rgb(fitted(brought, side)) for *_, brought in one.values()]
    return contact_sheet(tiles, len(variants), headings=[name.replace("_", " ") for name in variants])
