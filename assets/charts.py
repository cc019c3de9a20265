"""Figures without pyplot's global state: a canvas of its own for each."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RGB = npt.NDArray[np.uint8]

DPI = 110
# Okabe and Ito's palette without its yellow, which is lost on white
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#4d4d4d")
GRAY = "#767b85"
X_AXES = ("step", "epoch", "iteration")


def new_figure(width: float, height: float) -> "Figure":
    """An empty white figure, sizes in inches at 110 dots each."""
    # Half a second that only those wait for who draw; so below.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def rendered(figure: "Figure") -> RGB:
    """The figure as (H, W, 3) uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.asarray(canvas.buffer_rgba(), dtype=np.uint8)[..., :3].copy()  # type: ignore[no-untyped-call]


def plain(axes: "Axes") -> None:
    """Take away what does not carry data: upper and right frame, heavy ticks; add a faint grid."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRAY)
    axes.tick_params(labelsize=8, colors="#33363c", width=0.6)
    axes.grid(True, color="#e6e8ec", linewidth=0.6)
    axes.set_axisbelow(True)


def history_panels(history: Sequence[Mapping[str, float]], columns: int = 3) -> RGB:
    """One small panel a quantity of a training history, in the order of first appearance.

    Args:
        history: a row a report; `step`, `epoch` or `iteration` is the horizontal axis where present, else the
            row's number. A quantity may be missing from a row; what is not finite is left out of its line.
        columns: panels in a row.

    Returns:
        The figure as RGB; a figure that says so where there is no history yet.
    """
    names = [name for name in dict.fromkeys(key for row in history for key in row) if name not in X_AXES]
    if not names:
        return _empty("no training history yet")
    columns = min(columns, len(names))
    rows = math.ceil(len(names) / columns)
    figure = new_figure(2.9 * columns, 2.0 * rows + 0.2)
    axis = next((key for key in X_AXES if any(key in row for row in history)), "row")
    for index, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, index + 1)
        _line(axes, axis, name, history)
    return rendered(figure)


def _line(axes: "Axes", axis: str, name: str, history: Sequence[Mapping[str, float]]) -> None:
    points = [(row.get(axis, float(i)), row[name]) for i, row in enumerate(history) if name in row]
    x, y = np.array(points, dtype=np.float64).T
    finite = np.isfinite(y)
    axes.plot(
        x[finite],
        y[finite],
        color=COLORS[0],
        linewidth=0.7,
        alpha=0.35 if len(y) >= 30 else 1.0,
        marker=".",
        markersize=2,
    )
    if len(y) >= 30 and finite.all():
        axes.plot(x, _smoothed(y), color=COLORS[0], linewidth=1.4)
    axes.set_title(name.replace("_", " "), fontsize=9, loc="left")
    axes.set_xlabel(axis, fontsize=8)
    plain(axes)


def _smoothed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    width = max(3, len(values) // 15)
    kernel = np.ones(width)
    # dividing by the window's overlap keeps both ends unbiased
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def _empty(message: str) -> RGB:
    figure = new_figure(4, 1)
    figure.text(0.5, 0.5, message, ha="center", va="center", fontsize=10, color=GRAY)
    return rendered(figure)
