"""Figures of a study: ROC curves over folds, and the areas of all arms with intervals and seeds."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from assets.charts import COLORS, GRAY, new_figure, plain, rendered
from assets.evaluation.patients import PatientScores
from assets.evaluation.preview import ArmCurve, roc_figure
from assets.evaluation.roc import RocCurve, roc_curve
from assets.study.analysis import Analysis
from assets.study.entries import ALL, Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

U8 = npt.NDArray[np.uint8]
POINTS = 201
CURVES = 8


def fold_curve(folds: Sequence[PatientScores]) -> RocCurve:
    """The mean of the folds' ROC curves at equal false-positive rates, weighted by their abnormal patients.

    Folds have no common thresholds, so the curve has none: they are NaN.

    Raises:
        Undefined: a fold lacks a class or holds a score that is not finite.

    Source: vertical averaging of Fawcett 2006, doi:10.1016/j.patrec.2005.10.010.
    """
    grid = np.linspace(0, 1, POINTS)
    weights = np.array([fold.labels.sum() for fold in folds], dtype=np.float64)
    curves = [roc_curve(fold.scores, fold.labels) for fold in folds]
    rates = np.stack([_rate_at(grid, curve) for curve in curves])
    rate = np.concatenate([[0.0], weights @ rates / weights.sum()])
    return RocCurve(np.concatenate([[0.0], grid]), rate, np.full(POINTS + 1, np.nan))


def _rate_at(grid: npt.NDArray[np.float64], curve: RocCurve) -> npt.NDArray[np.float64]:
    # where the curve rises straight up, its upper end counts
    last = np.append(np.diff(curve.false_positive_rate) > 0, True)
    return np.asarray(np.interp(grid, curve.false_positive_rate[last], curve.true_positive_rate[last]))


def roc_curves(analysis: Analysis, protocol: str) -> U8 | None:
    """ROC curves of a protocol's best arms over their seeds; None where no arm has an area."""
    there = [
        (entry, entry.found.auc)
        for entry in analysis.entries
        if entry.protocol.name == protocol and entry.seed == ALL and entry.found is not None
    ]
    best_first = sorted(there, key=lambda item: -item[1].area)[:CURVES]
    curves = [ArmCurve(entry.arm, fold_curve(_usable(entry)), area) for entry, area in best_first]
    return roc_figure(curves) if curves else None


def _usable(entry: Entry) -> list[PatientScores]:
    return [fold for fold in entry.tested if fold.labels.any() and not fold.labels.all()]


def study_forest(analysis: Analysis) -> U8 | None:
    """Area of every arm with its interval, seeds as ticks, by protocol; the strongest shortcut is a dashed line.

    Returns:
        (h, w, 3) uint8, None where no arm has an area.
    """
    names = [p.name for p in analysis.study.protocols if _lines(analysis, p.name)]
    if not names:
        return None
    heights = [len(_lines(analysis, name)) + 1.6 for name in names]
    figure = new_figure(8.6, 0.6 + 0.25 * sum(heights))
    grid = figure.add_gridspec(len(names), 1, height_ratios=heights)
    lowest = min(0.45, *(_lowest(entry) for name in names for entry in _lines(analysis, name)))
    for place, name in enumerate(names):
        axes = figure.add_subplot(grid[place])
        _protocol(axes, analysis, name)
        axes.set_xlim(lowest - 0.02, 1.02)
    axes.set_xlabel("area under the ROC curve, within folds", fontsize=9)
    return rendered(figure)


def _lines(analysis: Analysis, protocol: str) -> list[Entry]:
    mine = [entry for entry in analysis.entries if entry.protocol.name == protocol]
    return [entry for entry in mine if entry.seed == ALL and entry.found is not None]


def _lowest(entry: Entry) -> float:
    area = entry.found.auc if entry.found else None
    return 1.0 if area is None else area.interval.low if area.interval else area.area


def _protocol(axes: "Axes", analysis: Analysis, protocol: str) -> None:
    lines = _lines(analysis, protocol)
    axes.axvline(0.5, color=GRAY, linewidth=0.8, linestyle=(0, (2, 3)))
    rival = analysis.shortcut(protocol)
    if rival is not None and rival.strength is not None:
        axes.axvline(rival.strength, color=COLORS[1], linewidth=1.1, linestyle="--")
        axes.annotate(
            f"{rival.name} {rival.strength:.3f}",
            (rival.strength, 1.0),
            xycoords=("data", "axes fraction"),
            fontsize=7.5,
            color=COLORS[1],
            ha="center",
            va="bottom",
            annotation_clip=False,
        )
    seeds = {(e.arm, e.seed): e for e in analysis.entries if e.protocol.name == protocol and e.seed != ALL}
    for height, entry in enumerate(lines):
        _line(axes, height, entry, [other for (arm, _), other in seeds.items() if arm == entry.arm])
    axes.set_ylim(len(lines) - 0.5, -0.6)
    axes.set_yticks(range(len(lines)), [entry.arm for entry in lines])
    axes.set_title(f"{protocol} ({lines[0].protocol.folds} folds)", fontsize=9, loc="left")
    plain(axes)
    axes.grid(False, axis="y")


def _line(axes: "Axes", height: int, entry: Entry, seeds: Sequence[Entry]) -> None:
    if entry.found is None:
        return
    area = entry.found.auc
    if area.interval is not None:
        ends = [area.interval.low, area.interval.high]
        axes.plot(ends, [height, height], color=COLORS[0], linewidth=1.6, solid_capstyle="butt")
    whole = len(entry.folds) == entry.protocol.folds
    axes.plot(
        area.area, height, "o", color=COLORS[0], markersize=5, markerfacecolor=None if whole else "white", zorder=3
    )
    found = [seed.found.auc.area for seed in seeds if seed.found is not None]
    axes.plot(found, [height] * len(found), "|", color="black", markersize=7, zorder=4)
    text = str(area) if whole else f"{area}, {len(entry.folds)} of {entry.protocol.folds} folds"
    axes.annotate(
        text, (1.01, height), xycoords=("axes fraction", "data"), fontsize=8, va="center", annotation_clip=False
    )
