"""What is left of a metric when features are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import label, legend_below, look, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_APART = 0.5  # percent between the bars of two lines

Lines = Mapping[str, Mapping[float, Sequence[float]]]
"""Method to its values, one a seed, at each share."""


def missing_curves(parts: Mapping[str, Lines], metric: str) -> Figure:
    """A metric over the share of features that is masked, one line a method.

    A line is the mean over seeds, its bars one standard deviation; lines stand a little beside
    their share, so that bars can be told apart.  A method has the same colour in every panel.

    Args:
        parts: Title of a panel, such as ``'all items'``, to its lines.
        metric: What was measured, for the label.

    Raises:
        ConfigError: There is no panel, or one has no line.
    """
    if not parts or not all(parts.values()):
        raise ConfigError(f"parts: got {dict(parts)!r}, expected a panel, each with a line")
    figure, axes = panels(1, len(parts), 4.2, 3.2)
    names = list(dict.fromkeys(name for lines in parts.values() for name in lines))
    for axis, (title, lines) in zip(axes, parts.items(), strict=True):
        for name, points in lines.items():
            place = names.index(name)
            aside = _APART * (place - (len(names) - 1) / 2)
            shares = sorted(points)
            values = [np.asarray(points[share], dtype=float) for share in shares]
            axis.errorbar(
                [100 * share + aside for share in shares],
                [float(v.mean()) for v in values],
                yerr=[float(v.std(ddof=1)) if v.size > 1 else 0.0 for v in values],
                **{**look(place), "elinewidth": 0.7},
                label=name,
            )
        axis.set_xlim(-5, 100)
        label(axis, "features masked, percent", metric if axis is axes[0] else "", title, grid="y")
    legend_below(figure, 4, names)
    return figure
