"""Loss terms and validation metrics over the epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import (
    DARK,
    History,
    curve,
    epoch_panels,
    epoch_title,
    label,
    legend,
    points_of,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COSTS = ("train/seconds", "train/learning_rate", "train/memory_mb")
"""Logged each epoch, but no part of what is learned."""


def curves(history: History, best_epoch: int | None = None) -> Figure:
    """One panel a loss term and one a validation metric (all its cut-offs) over the epochs.

    Args:
        history: Metrics of each epoch, as ``FitResult.history``: ``train/<term>``,
            ``val/<metric>@<k>``, ``information/...``; an epoch may lack some.
        best_epoch: Drawn as a dashed line.

    Raises:
        ConfigError: The history is empty.
    """
    names = list(dict.fromkeys(name for epoch in history for name in epoch if name not in COSTS))
    if not names:
        raise ConfigError("history: got no metric of any epoch, expected at least one")
    groups: dict[tuple[str, str], list[str]] = {}
    for name in names:
        groups.setdefault(epoch_title(name.partition("@")[0]), []).append(name)
    figure, axes = epoch_panels(len(groups))
    for axis, ((title, unit), lines) in zip(axes, groups.items(), strict=True):
        for position, name in enumerate(lines):
            epochs, values = zip(*points_of(history, name), strict=True)
            curve(axis, epochs, values, position, _line(name))
        if best_epoch is not None:
            axis.axvline(best_epoch, color=DARK, linestyle="--", linewidth=1)
        if len(lines) > 1:
            legend(axis)
        label(axis, "epoch", unit, title, grid="y")
    return figure


def _line(name: str) -> str:
    kind, _, rest = name.partition("/")
    return f"@{rest.partition('@')[2]}" if kind == "val" and "@" in rest else rest or kind
