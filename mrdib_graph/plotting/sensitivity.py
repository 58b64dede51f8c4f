"""How the result depends on each weight of the method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import BLUE, DARK, ORANGE, label, legend, logarithmic, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sensitivity(
    points: Mapping[str, Sequence[tuple[float, float]]],
    metric: str,
    chosen: Mapping[str, float] | None = None,
    baseline: float | None = None,
    means: bool = True,
) -> Figure:
    """One panel an option: the metric over its values, one dot a run, a line through the means.

    Where the points are of a random search, each differs in every option: a line through them would
    show the noise of the others, so ``means=False`` leaves it out, and the upper edge of the cloud
    is what to read.

    Args:
        points: Option name, such as ``'alpha_kl'``, to pairs of its value (0 or above) and the
            metric; a value may come several times, once a seed.
        metric: What was measured, for the label: ``'validation recall@20'``.
        chosen: The value in use of some options, drawn as a dashed line.
        baseline: The metric of the bare backbone, drawn as a grey line.
        means: Whether to draw the line through the means.

    Raises:
        ConfigError: There is no option, or one has no point or a negative value.
    """
    if not points:
        raise ConfigError("points: got no option, expected at least one")
    figure, axes = panels(1, len(points), 2.9, 2.7, share_y=True)
    for axis, (option, pairs) in zip(axes, points.items(), strict=True):
        if not pairs or min(value for value, _ in pairs) < 0:
            raise ConfigError(f"points: '{option}' has no point or a value below 0: {list(pairs)}")
        by_value: dict[float, list[float]] = {}
        for value, result in pairs:
            by_value.setdefault(float(value), []).append(result)
        values = sorted(by_value)
        if means:
            heights = [sum(by_value[v]) / len(by_value[v]) for v in values]
            axis.plot(values, heights, color=BLUE, lw=1.5, label="mean")
        xs, ys = zip(*pairs, strict=True)
        axis.scatter(xs, ys, s=14, color=BLUE, alpha=0.6, label="one run")
        positive = [v for v in values if v > 0]
        if positive:  # logarithmic, with a place for 0
            ticks = {v: _short(v) for v in (_ticks(values) if means else _round_ticks(values))}
            logarithmic(axis, ticks, scale="symlog", linthresh=min(positive), linscale=0.8)
        if baseline is not None:
            axis.axhline(baseline, color=DARK, lw=1.2, label="bare")
        if chosen is not None and option in chosen:
            axis.axvline(chosen[option], color=ORANGE, linestyle="--", lw=1.2, label="chosen")
        label(axis, option, metric if axis is axes[0] else "", grid="y")
    legend(axes[0])
    return figure


def _ticks(values: list[float]) -> list[float]:
    """At most five of the values, both ends among them."""
    count = min(5, len(values))
    if count < 2:
        return values
    return [values[round(i * (len(values) - 1) / (count - 1))] for i in range(count)]


def _round_ticks(values: list[float]) -> list[float]:
    """0, where it is a value, and the powers of ten among the others; both ends for want of two."""
    positive = [v for v in values if v > 0]
    low, high = math.log10(positive[0]), math.log10(positive[-1])
    powers = [10.0**exponent for exponent in range(math.ceil(low), math.floor(high) + 1)]
    zero = [v for v in values if v == 0]
    return zero + (powers if len(powers) > 1 else [positive[0], positive[-1]])


def _short(value: float) -> str:
    """``1e-4`` for 0.0001: long numbers would run into each other."""
    if value == 0 or value >= 0.01:
        return f"{value:.3g}"
    digits, _, exponent = f"{value:.1e}".partition("e")
    return f"{float(digits):g}e{int(exponent)}"
