"""Figures of the evaluation: ROC curves, score histograms, areas of all arms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from assets.charts import COLORS, GRAY, new_figure, plain, rendered
from assets.evaluation.bootstrap import RocBand
from assets.evaluation.roc import Auc, RocCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

U8 = npt.NDArray[np.uint8]
DASHES = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class ArmCurve:
    """An arm in the ROC figure; `band` is drawn where it is given, usually for one arm only."""

    label: str
    curve: RocCurve
    auc: Auc
    band: RocBand | None = None


@dataclass(frozen=True)
class ForestRow:
    """A line of the forest plot: an arm, or a shortcut that is drawn in gray."""

    label: str
    auc: Auc | None
    shortcut: bool = False


def roc_figure(curves: Sequence[ArmCurve], title: str = "") -> U8:
    """ROC curves with area and interval in the legend, the ones with a band on top.

    Args:
        curves: best first reads best: the legend keeps the order.
        title: one line.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no curve.
    """
    if not curves:
        raise ValueError("curves must hold at least one arm")
    # the legend stands below, one line an arm, where it cannot hide a curve
    figure = new_figure(4.8, 4.9 + 0.18 * len(curves))
    axes = figure.add_subplot()
    axes.plot([0, 1], [0, 1], color=GRAY, linewidth=0.8, linestyle=(0, (2, 3)))
    for index, arm in enumerate(curves):
        color, dash = COLORS[index % len(COLORS)], DASHES[index // len(COLORS) % len(DASHES)]
        strong = arm.band is not None
        if arm.band is not None:
            band = arm.band
            axes.fill_between(band.false_positive_rate, band.low, band.high, color=color, alpha=0.16, linewidth=0)
        axes.plot(
            arm.curve.false_positive_rate,
            arm.curve.true_positive_rate,
            color=color,
            linestyle=dash,
            linewidth=2.0 if strong else 1.1,
            zorder=3 if strong else 2,
            label=f"{arm.label}  {arm.auc}",
        )
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    axes.set_xlabel("false-positive rate (normal patients)", fontsize=9)
    axes.set_ylabel("true-positive rate (abnormal patients)", fontsize=9)
    axes.set_title(title, fontsize=10, loc="left")
    plain(axes)
    figure.legend(loc="outside lower left", fontsize=8, frameon=False, handlelength=2.6)
    return rendered(figure)


def auc_forest(rows: Sequence[ForestRow], title: str = "") -> U8:
    """Areas with their intervals, one line each, from the top; chance is dotted.

    Args:
        rows: arms, then shortcuts. One without an area keeps its line and says so.
        title: one line.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no row.
    """
    if not rows:
        raise ValueError("rows must hold at least one arm")
    figure = new_figure(7.2, 0.9 + 0.27 * len(rows))
    axes = figure.add_subplot()
    axes.axvline(0.5, color=GRAY, linewidth=0.8, linestyle=(0, (2, 3)))
    for height, row in enumerate(rows):
        _forest_line(axes, height, row)
    areas = [row.auc.interval.low if row.auc.interval else row.auc.area for row in rows if row.auc]
    axes.set(xlim=(min([0.4, *areas]) - 0.02, 1.02), ylim=(len(rows) - 0.5, -0.6))
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_xlabel("area under the ROC curve", fontsize=9)
    axes.set_title(title, fontsize=10, loc="left")
    plain(axes)
    axes.grid(False, axis="y")
    return rendered(figure)


def _forest_line(axes: "Axes", height: int, row: ForestRow) -> None:
    color = GRAY if row.shortcut else COLORS[0]
    marker = "D" if row.shortcut else "o"
    if row.auc is not None:
        if row.auc.interval is not None:
            ends = [row.auc.interval.low, row.auc.interval.high]
            axes.plot(ends, [height, height], color=color, linewidth=1.6, solid_capstyle="butt")
        axes.plot(row.auc.area, height, marker, color=color, markersize=5, clip_on=False, zorder=3)
    text = "undefined" if row.auc is None else str(row.auc)
    axes.annotate(
        text, (1.01, height), xycoords=("axes fraction", "data"), fontsize=8, va="center", annotation_clip=False
    )
