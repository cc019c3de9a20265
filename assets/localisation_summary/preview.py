"""Localisation of every arm at a glance: measures with intervals, guesses as open marks beside them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from assets.charts import COLORS, GRAY, RGB, new_figure, plain, rendered
from assets.localisation_summary.curves import RATES
from assets.tables.localisation import CHANCES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Row = Mapping[str, Any]

PANELS = {
    "pointing": "pointing game",
    "cl_10": "boxes localised, IoU 0.1",
    "energy": "share of the map in the boxes",
}
MARKS = {"centre": "s", "heatmap": "D", "random": "o"}
GUESSED = ("--", ":", "-.", (0, (5, 4)), (0, (1, 3)))
SPOKEN = {"centre": "centre of the lungs", "heatmap": "training boxes", "random": "random maps"}


def localisation_chart(rows: Sequence[Row]) -> RGB:
    """One panel a measure: an arm a line with its interval, and what guesses reach on the same radiographs.

    Args:
        rows: of the summary, arms only, each with every measure of `PANELS`.

    Raises:
        ValueError: there is no row.
    """
    arms = list(dict.fromkeys((row["arm"], row["seed"]) for row in rows))
    if not arms:
        raise ValueError("a chart of localisation needs at least one arm")
    figure = new_figure(3.1 * len(PANELS) + 1.0, 0.9 + 0.28 * len(arms))
    for column, (measure, title) in enumerate(PANELS.items()):
        axes = figure.add_subplot(1, len(PANELS), column + 1)
        plain(axes)
        axes.set_title(title, fontsize=9)
        for row in (row for row in rows if row["measure"] == measure):
            _line(axes, len(arms) - 1 - arms.index((row["arm"], row["seed"])), row)
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.6, len(arms) - 0.4)
        names = [f"{arm}, seed {seed}" for arm, seed in reversed(arms)]
        axes.set_yticks(range(len(arms)), names if column == 0 else [""] * len(arms), fontsize=7)
    shown = dict(zip(*figure.axes[0].get_legend_handles_labels()[::-1], strict=True))
    figure.legend(shown.values(), shown.keys(), loc="outside lower center", ncols=4, fontsize=7, frameon=False)
    return rendered(figure)


def froc_chart(rows: Sequence[Row]) -> RGB:
    """Share of the boxes found over false detections a radiograph, a line an arm, guesses dashed and gray.

    Args:
        rows: of the summary, arms and guesses.
    """
    figure = new_figure(5.2, 3.6)
    axes = figure.add_subplot(1, 1, 1)
    plain(axes)
    curves: dict[str, dict[float, float]] = {}
    for row in rows:
        if row["measure"].startswith("froc_"):
            curves.setdefault(f"{row['arm']}, seed {row['seed']}", {})[float(row["measure"][5:])] = row["value"]
    guesses = [name for name in curves if name.startswith("chance/")]
    arms = [name for name in curves if name not in guesses]
    for name, points in curves.items():
        guess = name in guesses
        color = GRAY if guess else COLORS[arms.index(name) % len(COLORS)]
        label = name.partition(", seed")[0] if guess else name
        heights = [points[rate] for rate in RATES]
        dashes = GUESSED[guesses.index(name) % len(GUESSED)] if guess else "-"
        axes.plot(RATES, heights, color=color, linewidth=1.2, linestyle=dashes, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(RATES, [f"{rate:g}" for rate in RATES])
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("false detections a radiograph", fontsize=8)
    axes.set_ylabel("share of the boxes found", fontsize=8)
    figure.legend(loc="outside right upper", fontsize=6, frameon=False)
    return rendered(figure)


def _line(axes: "Axes", height: float, row: Row) -> None:
    axes.plot([row["low"], row["high"]], [height, height], color=COLORS[0], linewidth=1.2)
    axes.plot([row["value"]], [height], "o", color=COLORS[0], markersize=4, label="arm, with its interval")
    for guess in (name for name in CHANCES if row.get(name) is not None):
        style: dict[str, Any] = {"markerfacecolor": "none", "color": GRAY, "markersize": 4, "label": SPOKEN[guess]}
        axes.plot([row[guess]], [height], MARKS[guess], **style)
