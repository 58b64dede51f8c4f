"""What made one score."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import BLUE, DARK, ORANGE, beside, label, panels, rows_downwards

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def explanation_bars(
    contributions: Mapping[str, float], base: float, title: str = "", average: str = "average item"
) -> Figure:
    """From the score of an average item to that of this one, one step a row.

    Each bar begins where the one above ends: blue to the right, orange to the left.  The largest
    contribution comes first; the grey lines are the base and the score.

    Args:
        contributions: Player to contribution, as in
            :class:`mrdib_graph.explanation.Explanation`.
        base: Score without any of them.
        title: Of the figure, for example the names of user and item.
        average: Name of the base.

    Raises:
        ConfigError: There is no contribution, or a number is not finite.
    """
    if not contributions:
        raise ConfigError("contributions: got none, expected one or more")
    bad = [name for name, x in {**contributions, "base": base}.items() if not math.isfinite(x)]
    if bad:
        raise ConfigError(f"contributions: '{bad[0]}' is not finite; check that training converged")
    rows = sorted(contributions.items(), key=lambda pair: -abs(pair[1]))
    figure, [axis] = panels(1, 1, 6.0, 1.1 + 0.36 * len(rows))
    start, ends = base, [base]
    for place, (_, value) in enumerate(rows):
        axis.barh(place, value, left=start, height=0.6, color=BLUE if value > 0 else ORANGE)
        beside(axis, f"{value:+.3f}", (max(start, start + value), place), 5)
        start += value
        ends.append(start)
    sides = ("right", "left") if base <= start else ("left", "right")
    lines = ((base, average, ":", sides[0]), (start, "this item", "-", sides[1]))
    for x, text, style, side in lines:
        axis.axvline(x, color=DARK, lw=0.9, ls=style)
        axis.annotate(
            f"{text}\n{x:.3f}",
            (x, 1.0),
            (-2 if side == "right" else 2, 3),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha=side,
            fontsize=8,
            color=DARK,
        )
    room = max(max(ends) - min(ends), 1e-9)
    axis.set_xlim(min(ends) - 0.12 * room, max(ends) + 0.2 * room)
    rows_downwards(axis, [name for name, _ in rows])
    label(axis, "score", "")
    if title:
        figure.suptitle(title, fontsize=10)
    return figure
