"""What each arm gains over what it is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import BLUE, GREEN, GREY, beside, label, panels, rows_downwards

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def arm_bars(comparisons: Sequence[Mapping[str, Any]], metric: str | None = None) -> Figure:
    """Gain of each arm in percent with its 95 % interval, one row a comparison.

    The comparisons of an arm stand together: the gain over bare (blue) and the gain over its fair
    partner (green), such as bare on late fusion, where that is another.  Where the interval holds 0
    the bar is grey: the gain may be chance.  The interval is of one comparison alone; the p value
    is corrected for how many there are.

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
    order = list(dict.fromkeys((c["backbone"], c["arm"]) for c in rows))
    rows.sort(key=lambda c: order.index((c["backbone"], c["arm"])))
    figure, [axis] = panels(1, 1, 6.4, 0.9 + 0.36 * len(rows))
    ends = [_interval(c) for c in rows]
    finite = [x for end in ends if end is not None for x in end] + [0.0]
    left, right = min(finite), max(finite)
    for place, (row, end) in enumerate(zip(rows, ends, strict=True)):
        text, sure = "not defined: the baseline is 0", False
        if end is not None:
            low, gain, high = end
            sure = not low <= 0 <= high
            full = BLUE if row["baseline"] == "bare" else GREEN
            axis.barh(place, gain, height=0.6, color=full if sure else GREY, alpha=0.7)
            axis.plot([low, high], [place, place], "|-", color="black", lw=1.2, markersize=6)
            text = f"{gain:+.1f} %  (p {_p_value(row['p_holm'])})"
        beside(axis, text, (right, place), 8, color="black" if sure else "#555555")
    axis.axvline(0, color="black", lw=0.8)
    backbones, baselines = ({str(c[key]) for c in rows} for key in ("backbone", "baseline"))
    names = [f"{c['backbone']}, {c['arm']}" if len(backbones) > 1 else str(c["arm"]) for c in rows]
    if len(baselines) > 1:
        names = [f"{name} over {c['baseline']}" for c, name in zip(rows, names, strict=True)]
    rows_downwards(axis, names)
    room = max(right - left, 1e-3)
    axis.set_xlim(left - 0.03 * room, right + 0.02 * room)
    title = metric if len(backbones) > 1 else f"{rows[0]['backbone']}: {metric}"
    over = f" over {rows[0]['baseline']}" if len(baselines) == 1 else ""
    words = f"gain{over}, percent (95 % interval over users; Holm's p)"
    label(axis, words, "", title, grid="x")
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
