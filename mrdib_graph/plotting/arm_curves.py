"""Curves of every loss term, all arms in one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.curves import COSTS
from mrdib_graph.plotting.style import CYCLE, label, panels, whole_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

History = Sequence[Mapping[str, float]]
"""Metrics of each epoch, as ``FitResult.history``."""


def arm_curves(arms: Mapping[str, Sequence[History]], metric: str = "val/recall@20") -> Figure:
    """One panel a loss term and one for a validation metric; in each, one line an arm.

    A line is the mean over the seeds that are still training at that epoch; thin lines are the
    seeds.  Terms are shown as they are, without their weights; an arm that lacks a term has no line
    in its panel, and a term that is always 0, such as that of an estimator without a critic, has
    no panel.

    Args:
        arms: Name of an arm to the history of each of its seeds.
        metric: The validation metric.

    Raises:
        ConfigError: No history has an epoch.
    """
    epochs = [e for histories in arms.values() for history in histories for e in history]
    names = dict.fromkeys(name for epoch in epochs for name, value in epoch.items() if value)
    terms = [n for n in names if n.startswith("train/") and n not in COSTS]
    terms += [metric] if metric in names else []
    if not terms:
        raise ConfigError("arms: got no metric of any epoch, expected at least one")
    columns = min(4, len(terms))
    rows = math.ceil(len(terms) / columns)
    figure, axes = panels(rows, columns, 2.9, 2.3)
    for axis in axes[len(terms) :]:
        axis.set_visible(False)
    for axis, name in zip(axes, terms, strict=False):
        for position, histories in enumerate(arms.values()):
            colour = CYCLE[position % len(CYCLE)]
            style = "-" if position < len(CYCLE) else "--"
            by_epoch: dict[int, list[float]] = {}
            for history in histories:
                points = [(e, values[name]) for e, values in enumerate(history) if name in values]
                if len(histories) > 1 and points:
                    axis.plot(*zip(*points, strict=True), color=colour, lw=0.6, alpha=0.35)
                for epoch, value in points:
                    by_epoch.setdefault(epoch, []).append(value)
            if by_epoch:
                means = [sum(values) / len(values) for _, values in sorted(by_epoch.items())]
                marker = "o" if len(means) < 15 else ""
                axis.plot(
                    sorted(by_epoch),
                    means,
                    style,
                    color=colour,
                    marker=marker,
                    markersize=3,
                    lw=1.5,
                )
        axis.grid(axis="y", linewidth=0.4, alpha=0.5)
        is_term = name.startswith("train/")
        title = name.replace("train/", "loss: ") if is_term else name.replace("val/", "validation ")
        title = "loss (total)" if name == "train/loss" else title
        label(axis, "epoch", "mean over steps" if is_term else "value (0 to 1)", title)
        whole_steps(axis)
    _legend(figure, list(arms))
    return figure


def _legend(figure: Figure, names: list[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=CYCLE[i % len(CYCLE)], ls="-" if i < len(CYCLE) else "--", label=name)
        for i, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, fontsize=8, frameon=False)
