"""Curves of every loss term, all arms in one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.curves import COSTS
from mrdib_graph.plotting.style import (
    History,
    curve,
    epoch_panels,
    epoch_title,
    label,
    legend_below,
    look,
    points_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def arm_curves(arms: Mapping[str, Sequence[History]], metric: str = "val/recall@20") -> Figure:
    """One panel a loss term and one for a validation metric; in each, one line an arm.

    A line is the mean over the seeds that are still training at that epoch; thin lines are the
    seeds.  Terms are shown as they are, without their weights; an arm that lacks a term has no line
    in its panel, and a term that is always 0, such as that of an estimator without a critic, has
    no panel.

    Args:
        arms: Label of an arm to the history of each of its seeds.
        metric: The validation metric.

    Raises:
        ConfigError: No history has an epoch.
    """
    epochs = [e for histories in arms.values() for history in histories for e in history]
    names = dict.fromkeys(name for epoch in epochs for name, value in epoch.items() if value)
    shown = [n for n in names if n.startswith("train/") and n not in COSTS]
    shown += [metric] if metric in names else []
    if not shown:
        raise ConfigError("arms: got no metric of any epoch, expected at least one")
    figure, axes = epoch_panels(len(shown))
    for axis, name in zip(axes, shown, strict=True):
        for position, (arm, histories) in enumerate(arms.items()):
            by_epoch: dict[int, list[float]] = {}
            for history in histories:
                points = list(points_of(history, name))
                if len(histories) > 1 and points:
                    colour = look(position)["color"]
                    axis.plot(*zip(*points, strict=True), color=colour, lw=0.6, alpha=0.35)
                for epoch, value in points:
                    by_epoch.setdefault(epoch, []).append(value)
            means = [sum(values) / len(values) for _, values in sorted(by_epoch.items())]
            if means:
                curve(axis, sorted(by_epoch), means, position, arm)
        title, unit = epoch_title(name)
        label(axis, "epoch", unit, title, grid="y")
    legend_below(figure, 6, list(arms))
    return figure
