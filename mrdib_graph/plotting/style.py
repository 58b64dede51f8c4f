"""What all figures share: colours that colour-blind readers can tell apart, plain axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, YELLOW, GREY = "#56B4E9", "#D55E00", "#F0E442", "#B8B8B8"
DARK = "#606060"
"""For lines that are a reference, not a result."""

CYCLE = (BLUE, ORANGE, GREEN, PURPLE, SKY, RED, YELLOW, GREY)
"""The colours of Okabe and Ito, Color Universal Design (2008), light grey in place of black."""


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


def label(axis: Axes, x: str = "", y: str = "", title: str = "") -> None:
    """Titles and axis labels of one size; empty ones are left out."""
    axis.set_xlabel(x, fontsize=9)
    axis.set_ylabel(y, fontsize=9)
    axis.set_title(title, fontsize=10, loc="left")


def whole_steps(axis: Axes) -> None:
    """Ticks of the horizontal axis at whole numbers only."""
    from matplotlib.ticker import MaxNLocator

    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
