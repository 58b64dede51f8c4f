"""What all figures share: colours that colour-blind readers can tell apart, lines, legends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, YELLOW, GREY = "#56B4E9", "#D55E00", "#F0E442", "#B8B8B8"
DARK = "#606060"
"""For lines that are a reference, not a result."""

CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW, GREY)
"""The colours of Okabe and Ito, Color Universal Design (2008), light grey in place of black."""

History = Sequence[Mapping[str, float]]
"""Metrics of each epoch, as ``FitResult.history``."""

_STYLES = ("-", "--", ":")


def panels(
    rows: int, columns: int, width: float, height: float, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure with a grid of panels, row by row; width and height of one panel in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows), layout="constrained", dpi=150)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=share_y)
    axes = [axis for row in grid for axis in row]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
        axis.set_axisbelow(True)
    return figure, axes


def epoch_panels(count: int) -> tuple[Figure, list[Axes]]:
    """So many small panels over epochs, four in a row; places that are left stay empty."""
    from matplotlib.ticker import MaxNLocator

    columns = min(4, count)
    figure, axes = panels(math.ceil(count / columns), columns, 2.9, 2.3)
    for axis in axes[:count]:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    for axis in axes[count:]:
        axis.set_visible(False)
    return figure, axes[:count]


def epoch_title(name: str) -> tuple[str, str]:
    """Title and unit of the panel of a metric of an epoch, such as ``train/kl``."""
    kind, _, rest = name.partition("/")
    if kind == "train":
        return (f"loss: {rest}" if rest != "loss" else "loss (total)"), "mean over steps"
    if kind == "val":
        return f"validation {rest}", "value (0 to 1)"
    return kind, "bits per interaction" if kind == "information" else "mean over steps"


def label(
    axis: Axes,
    x: str = "",
    y: str = "",
    title: str = "",
    grid: Literal["x", "y", "both"] | None = None,
) -> None:
    """Titles and axis labels of one size, empty ones left out, and grid lines."""
    axis.set_xlabel(x, fontsize=9)
    axis.set_ylabel(y, fontsize=9)
    axis.set_title(title, fontsize=10, loc="left")
    if grid is not None:
        axis.grid(axis=grid, linewidth=0.4, alpha=0.5)


def look(position: int) -> dict[str, Any]:
    """Colour and dashes of the n-th line of a panel, with small dots at its points."""
    style = _STYLES[position // len(CYCLE) % len(_STYLES)]
    colour = CYCLE[position % len(CYCLE)]
    return {"color": colour, "linestyle": style, "marker": "o", "markersize": 3, "lw": 1.4}


def curve(axis: Axes, xs: Sequence[float], ys: Sequence[float], position: int, name: str) -> None:
    """The n-th line of a panel; dots show where it has few points."""
    axis.plot(xs, ys, **{**look(position), "marker": "o" if len(xs) < 15 else ""}, label=name)


def legend(axis: Axes, **options: Any) -> None:
    """A small legend without a frame inside a panel."""
    axis.legend(**{"fontsize": 7, "frameon": False, **options})


def legend_below(figure: Figure, columns: int, names: Sequence[str] = (), **options: Any) -> None:
    """One legend below all panels, each name once; in the order of ``names`` where given."""
    handles: dict[str, Any] = {}
    for axis in figure.axes:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    chosen = {name: handles[name] for name in names or handles if name in handles}
    place = {"loc": "outside lower center", "ncols": columns, "fontsize": 8, "frameon": False}
    figure.legend(list(chosen.values()), list(chosen), **{**place, **options})


def rows_downwards(axis: Axes, names: Sequence[str]) -> None:
    """A named row for each bar, the first on top."""
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()


def beside(
    axis: Axes, text: str, point: tuple[float, float], offset: float, **options: Any
) -> None:
    """A small text some points to the right of a point, at its height."""
    place = {"textcoords": "offset points", "va": "center", "fontsize": 8}
    axis.annotate(text, point, (offset, 0), **{**place, **options})


def logarithmic(axis: Axes, ticks: Mapping[float, str], **options: Any) -> None:
    """A horizontal axis with these ticks alone."""
    axis.set_xscale(options.pop("scale", "log"), **options)
    axis.set_xticks(list(ticks), list(ticks.values()))
    axis.xaxis.minorticks_off()


def points_of(history: History, name: str) -> Iterator[tuple[int, float]]:
    """The epochs that have a metric, and its values."""
    return ((epoch, values[name]) for epoch, values in enumerate(history) if name in values)
