"""Bars of what every shortcut reaches."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from assets.charts import COLORS, GRAY, new_figure, plain, rendered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

U8 = npt.NDArray[np.uint8]
KIND_COLORS = {"supervised": COLORS[1], "plain": COLORS[0]}
INK = "#33363c"


def shortcut_bars(rows: Sequence[Mapping[str, Any]], limit: float) -> U8:
    """A bar a shortcut from 1/2 to its area with its interval, strongest first; the check's limit is dashed.

    Args:
        rows: of the audit's table; an undefined one keeps its line and says so.
        limit: of the check.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no row.
    """
    if not rows:
        raise ValueError("rows must hold at least one shortcut")
    ordered = sorted(rows, key=lambda row: -(row["strength"] or 0.0))
    figure = new_figure(7.6, 1.0 + 0.25 * len(ordered))
    axes = figure.add_subplot()
    axes.axvline(0.5, color=GRAY, linewidth=0.8)
    for edge in (limit, 1 - limit):
        axes.axvline(edge, color=GRAY, linewidth=0.8, linestyle=(0, (4, 3)))
    for kind, color in KIND_COLORS.items():
        axes.barh(0, 0, color=color, alpha=0.55, label=kind)
    for height, row in enumerate(ordered):
        _bar(axes, height, row)
    lows = [row["auc"] if row["low"] is None else row["low"] for row in ordered if row["auc"] is not None]
    axes.set(xlim=(min([0.4, *lows]) - 0.02, 1.0), ylim=(len(ordered) - 0.4, -0.6))
    axes.set_yticks(range(len(ordered)), [row["name"].replace("_", " ") for row in ordered])
    axes.set_xlabel("area under the ROC curve; beside it abnormal + normal test patients", fontsize=9)
    figure.legend(loc="outside upper left", ncols=2, fontsize=8, frameon=False)
    plain(axes)
    axes.grid(False, axis="y")
    return rendered(figure)


def _bar(axes: "Axes", height: int, row: Mapping[str, Any]) -> None:
    text = "undefined"
    if row["auc"] is not None:
        axes.barh(height, row["auc"] - 0.5, left=0.5, height=0.62, color=KIND_COLORS[row["kind"]], alpha=0.55)
        text = f"{row['auc']:.3f} (no interval)"
    if row["low"] is not None:
        axes.plot([row["low"], row["high"]], [height, height], color=INK, linewidth=1.2)
        text = f"{row['auc']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"
    text += f", {row['positives']} + {row['negatives']}"
    axes.annotate(
        text, (1.01, height), xycoords=("axes fraction", "data"), fontsize=7, va="center", annotation_clip=False
    )
