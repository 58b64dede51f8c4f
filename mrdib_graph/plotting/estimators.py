"""How far estimators of mutual information are from the truth on Gaussian codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import DARK, label, legend, look, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LOGARITHMIC_ABOVE = 20.0
"""Nats that make a line of panels logarithmic."""


def estimator_errors(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """What each estimator says over the width of the codes, beside the truth.

    One panel a number of rows, one line of panels for each kind of data; a line an estimator, full
    for the most nats and dotted for fewer, with its standard deviation; dashed grey lines are the
    true nats.  Measures that are not in nats are left out.  A line of panels shares its scale.

    Args:
        rows: As in ``estimators.json``: ``estimator``, ``in_nats``, ``data``, ``embedding_dim``,
            ``rows``, ``nats``, ``mean``, ``sd``.

    Raises:
        ConfigError: No row is in nats.
    """
    shown = [row for row in rows if row["in_nats"]]
    if not shown:
        raise ConfigError(f"rows: got {len(rows)} and none in nats, expected at least one")
    names, kinds, sizes, nats = (
        list(dict.fromkeys(row[key] for row in shown))
        for key in ("estimator", "data", "rows", "nats")
    )
    figure, axes = panels(len(kinds), len(sizes), 2.9, 2.5)
    places = [(kind, size) for kind in kinds for size in sizes]
    for axis, (kind, size) in zip(axes, places, strict=True):
        for truth in nats:
            mark = "truth" if truth == max(nats) else None
            axis.axhline(truth, color=DARK, linestyle="--", lw=0.9, label=mark)
            for position, name in enumerate(names):
                cells = [
                    row
                    for row in shown
                    if (row["estimator"], row["data"], row["rows"], row["nats"])
                    == (name, kind, size, truth)
                ]
                full = {} if truth == max(nats) else {"linestyle": ":"}
                widths, means, sds = (
                    [row[key] for row in cells] for key in ("embedding_dim", "mean", "sd")
                )
                axis.errorbar(
                    widths,
                    means,
                    sds,
                    **{**look(position), **full, "elinewidth": 0.8, "capsize": 2},
                    label=name if truth == max(nats) else None,
                )
        widths = sorted({row["embedding_dim"] for row in shown})
        axis.set_xscale("log", base=2)
        axis.set_xticks(widths, [str(width) for width in widths])
        _scale(axis, [row for row in shown if row["data"] == kind])
        unit = "nats" if size == sizes[0] else ""
        label(axis, "width of the codes", unit, f"{size} rows, {kind}", grid="y")
    legend(axes[0], loc="upper right")
    return figure


def _scale(axis: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """The vertical scale that holds all rows: linear, or logarithmic away from 0."""
    low = min(0.0, *(row["mean"] - row["sd"] for row in rows))
    high = max(row["mean"] + row["sd"] for row in rows)
    if high > LOGARITHMIC_ABOVE:
        axis.set_yscale("symlog", linthresh=4, linscale=2)
        axis.set_ylim(low - 0.5, 2 * high)
    else:
        axis.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))
