"""How time and memory grow with the graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import DARK, label, legend_below, logarithmic, look, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def growth_curves(
    rows: Sequence[Mapping[str, Any]],
    values: Mapping[str, str] | None = None,
) -> Figure:
    """One panel a value: its size over the number of interactions, both logarithmic.

    A line a backbone; the grey line is linear growth.

    Args:
        rows: As in ``growth.json``: ``backbone``, ``pairs``, and the values.
        values: Which values, with the words for their axis; seconds of a step and MB of memory
            by default.

    Raises:
        ConfigError: There is no row, or a value that is not above 0.
    """
    values = values or {"step_s": "seconds of a step", "memory_mb": "peak memory in MB"}
    if not rows:
        raise ConfigError("rows: got none, expected at least one")
    for row in rows:
        for value in values:
            if not row[value] > 0:
                raise ConfigError(
                    f"rows: {value} of {row['backbone']} is {row[value]}, not above 0"
                )
    figure, axes = panels(1, len(values), 4.0, 4.6)
    names = list(dict.fromkeys(row["backbone"] for row in rows))
    for axis, (value, words) in zip(axes, values.items(), strict=True):
        for position, name in enumerate(names):
            points = sorted((row["pairs"], row[value]) for row in rows if row["backbone"] == name)
            axis.plot(*zip(*points, strict=True), **look(position), label=name)
        pairs = sorted({row["pairs"] for row in rows})
        start = min(row[value] for row in rows) / 2
        linear = [start * n / pairs[0] for n in pairs]
        axis.plot(pairs, linear, color=DARK, lw=2.5, alpha=0.5, label="linear")
        logarithmic(axis, {n: f"{n:,}" for n in pairs})
        axis.set_yscale("log")
        label(axis, "training interactions", words, grid="y")
    legend_below(figure, 4, fontsize=7)
    return figure
