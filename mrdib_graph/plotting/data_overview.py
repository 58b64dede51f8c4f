"""A data set at a glance: degrees, coverage of the modalities, norms of their rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.plotting.style import BLUE, CYCLE, GREY, ORANGE, label, legend, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BINS = 40


def data_overview(
    degrees: Mapping[str, Tensor],
    coverage: Mapping[str, tuple[float, float]],
    norms: Mapping[str, Tensor],
) -> Figure:
    """Three panels: degree distributions on two logarithmic axes, coverage bars, norm histograms.

    The first shows, for each degree k that occurs, the share of users and of items with at least k
    interactions; a power law is a straight line there.  Without modalities it is the only one.

    Args:
        degrees: ``'users'`` or ``'items'`` to number of interactions of each [n], from 0.
        coverage: Modality to the share of items that have a row, and of items whose row is all
            zero, which is part of the former.
        norms: Modality to the norm of each of its rows [n], from 0.

    Raises:
        ConfigError: A degree table or the norms of a modality are empty, or coverage and norms are
            not of the same modalities.
    """
    if set(coverage) != set(norms):
        raise ConfigError(f"norms: got {', '.join(norms)}, expected {', '.join(coverage)}")
    empty = [name for name, values in (*degrees.items(), *norms.items()) if not values.numel()]
    if empty or not degrees:
        raise ConfigError(f"degrees, norms: {', '.join(empty) or 'all'} are empty")
    figure, axes = panels(1, 3 if coverage else 1, 3.4, 2.9)
    _degrees(axes[0], degrees)
    if coverage:
        _coverage(axes[1], coverage)
        _norms(axes[2], norms)
    return figure


def _degrees(axis: Axes, degrees: Mapping[str, Tensor]) -> None:
    for colour, (name, degree) in zip((BLUE, ORANGE, *CYCLE), degrees.items(), strict=False):
        value, count = torch.unique(degree[degree > 0], return_counts=True)
        share = count.flip(0).cumsum(0).flip(0) / degree.numel()
        without = int((degree == 0).sum())
        text = f"{name} ({without:,} without)" if without else name
        axis.plot(value.tolist(), share.tolist(), ".-", ms=3, lw=1, color=colour, label=text)
    axis.set_xscale("log")
    axis.set_yscale("log")
    legend(axis)
    label(axis, "interactions k", "share with at least k", "degrees", grid="both")


def _coverage(axis: Axes, coverage: Mapping[str, tuple[float, float]]) -> None:
    names = list(coverage)
    filled = [share - zero for share, zero in coverage.values()]
    zeros = [zero for _, zero in coverage.values()]
    axis.barh(names, filled, 0.5, color=BLUE, label="with a row")
    if any(zeros):
        axis.barh(names, zeros, 0.5, left=filled, color=GREY, label="all-zero row")
        legend(axis, loc="lower left", bbox_to_anchor=(0.3, 1))
    for place, (share, _) in enumerate(coverage.values()):
        axis.text(1.02, place, f"{100 * share:.1f} %", va="center", fontsize=7)
    axis.set_xlim(0, 1.2)
    axis.set_xticks([0, 0.5, 1])
    axis.set_ylim(len(coverage) - 0.4, -0.6)
    label(axis, "share of the items", "", "coverage")


def _norms(axis: Axes, norms: Mapping[str, Tensor]) -> None:
    used = {name: values[values > 0].double().log10() for name, values in norms.items()}
    every = torch.cat(list(used.values()))
    if every.numel():
        low, high = float(every.min()), float(every.max())
        margin = max(0.05, 0.02 * (high - low))  # equal norms would be a histogram without width
        edges = torch.linspace(low - margin, high + margin, _BINS + 1, dtype=torch.float64)
        for colour, (name, values) in zip(CYCLE * len(used), used.items(), strict=False):
            if values.numel():
                share = torch.histc(values, _BINS, float(edges[0]), float(edges[-1]))
                share /= values.numel()
                axis.stairs(share.tolist(), (10**edges).tolist(), color=colour, label=name)
        legend(axis)
    axis.set_xscale("log")
    label(axis, "norm of a row", "share of the rows", "feature norms")
