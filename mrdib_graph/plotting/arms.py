"""What each arm gains over its baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import BLUE, GREY, label, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def arm_bars(comparisons: Sequence[Mapping[str, Any]], metric: str | None = None) -> Figure:
    """Gain of each arm in percent with its 95 % interval, one row an arm.

    Arms whose interval holds 0 are grey: their gain may be chance.  The interval is of one arm
    alone; the p value is corrected for how many comparisons there are.

    Args:
        comparisons: As in ``results.json``: ``backbone``, ``baseline``, ``arm``, ``metric``,
            ``gain_percent``, ``p_holm`` (printed: the table's p value), ``ci95``.
        metric: Which metric to show; the first comparison's where None.

    Raises:
        ConfigError: No comparison has the metric.
    """
    metric = metric or (str(comparisons[0]["metric"]) if comparisons else "")
    rows = [c for c in comparisons if c["metric"] == metric]
    if not rows:
        known = ", ".join(sorted({str(c["metric"]) for c in comparisons})) or "none"
        raise ConfigError(f"metric: got '{metric}', expected one of the comparisons': {known}")
    several = len({c["backbone"] for c in rows}) > 1
    figure, [axis] = panels(1, 1, 6.4, 0.9 + 0.36 * len(rows))
    ends = [_interval(c) for c in rows]
    finite = [x for end in ends if end is not None for x in end] + [0.0]
    left, right = min(finite), max(finite)
    for place, (row, end) in enumerate(zip(rows, ends, strict=True)):
        if end is None:
            text, colour = "not defined: the baseline is 0", GREY
        else:
            low, gain, high = end
            colour = GREY if low <= 0 <= high else BLUE
            axis.barh(place, gain, height=0.6, color=colour, alpha=0.7)
            axis.plot([low, high], [place, place], "|-", color="black", lw=1.2, markersize=6)
            text = f"{gain:+.1f} %  (p {_p_value(row['p_holm'])})"
        axis.annotate(
            text,
            (right, place),
            (8, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color="black" if colour == BLUE else "#555555",
        )
    axis.axvline(0, color="black", lw=0.8)
    baselines = list(dict.fromkeys(str(c["baseline"]) for c in rows))
    names = [str(c["arm"]) for c in rows]
    if several:
        names = [f"{c['backbone']}, {name}" for c, name in zip(rows, names, strict=True)]
    if len(baselines) > 1:
        names = [f"{name} over {c['baseline']}" for c, name in zip(rows, names, strict=True)]
    axis.set_yticks(range(len(rows)), names)
    axis.invert_yaxis()
    room = max(right - left, 1e-3)
    axis.set_xlim(left - 0.03 * room, right + 0.02 * room)
    axis.grid(axis="x", linewidth=0.4, alpha=0.5)
    title = metric if several else f"{rows[0]['backbone']}: {metric}"
    over = f" over {baselines[0]}" if len(baselines) == 1 else ""
    label(axis, f"gain{over}, percent (95 % interval over users; Holm's p)", "", title)
    return figure


def _interval(comparison: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Lower end, gain, upper end; None for a gain over a baseline of 0."""
    if comparison["ci95"] is None or comparison["gain_percent"] is None:
        return None
    low, high = map(float, comparison["ci95"])
    gain = float(comparison["gain_percent"])
    return (low, gain, high) if all(map(math.isfinite, (low, gain, high))) else None


def _p_value(p: float | None) -> str:
    if p is None or not math.isfinite(p):
        return "unknown"
    return "< 0.001" if p < 0.001 else f"= {p:.3f}"
