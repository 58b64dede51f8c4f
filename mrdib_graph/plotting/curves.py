"""Loss terms and validation metrics over the epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import CYCLE, DARK, label, panels, whole_steps

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COSTS = ("train/seconds", "train/learning_rate", "train/memory_mb")
"""Logged each epoch, but no part of what is learned."""


def curves(history: Sequence[Mapping[str, float]], best_epoch: int | None = None) -> Figure:
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
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(_panel(name), []).append(name)
    columns = min(4, len(groups))
    rows = math.ceil(len(groups) / columns)
    figure, axes = panels(rows, columns, 2.9, 2.3)
    for axis in axes[len(groups) :]:
        axis.set_visible(False)
    for axis, (title, lines) in zip(axes, groups.items(), strict=False):
        for position, name in enumerate(lines):
            points = [
                (epoch, values[name]) for epoch, values in enumerate(history) if name in values
            ]
            epochs, values = zip(*points, strict=True)
            colour = CYCLE[position % len(CYCLE)]
            marker = "o" if len(points) < 15 else ""
            axis.plot(
                epochs, values, color=colour, marker=marker, markersize=3, label=_line(name), lw=1.4
            )
        if best_epoch is not None:
            axis.axvline(best_epoch, color=DARK, linestyle="--", linewidth=1)
        if len(lines) > 1:
            axis.legend(fontsize=7, frameon=False)
        axis.grid(axis="y", linewidth=0.4, alpha=0.5)
        label(axis, "epoch", _unit(title), title)
        whole_steps(axis)
    return figure


def _panel(name: str) -> str:
    kind, _, rest = name.partition("/")
    if kind == "train":
        return f"loss: {rest}" if rest != "loss" else "loss (total)"
    if kind == "val":
        return f"validation {rest.partition('@')[0]}"
    return kind


def _line(name: str) -> str:
    kind, _, rest = name.partition("/")
    return f"@{rest.partition('@')[2]}" if kind == "val" and "@" in rest else rest or kind


def _unit(title: str) -> str:
    if title == "information":
        return "bits per interaction"
    return "value (0 to 1)" if title.startswith("validation") else "mean over steps"
