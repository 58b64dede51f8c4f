"""A two-dimensional map of codes before and after the bottleneck."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, checked
from mrdib_graph.plotting.style import label, legend_below, look, panels

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKERS = ("o", "^", "s", "D", "v", "P", "X", "*")


@checked
def code_map(
    before: Mapping[str, Tensor],
    after: Mapping[str, Tensor],
    *,
    seed: int,
    method: Literal["tsne", "pca"] = "tsne",
    num_points: Count = 300,
    titles: tuple[str, str] = ("before the bottleneck", "after"),
) -> Figure:
    """Where the items of each modality lie, before and after the bottleneck.

    The same sampled items are drawn in both panels.  ``'tsne'`` (van der Maaten and Hinton, JMLR 9,
    2008) shows neighbourhoods only: neither distances between groups nor the axes have a meaning.

    Args:
        before: Modality to modality embeddings ``h_m`` [I, d], all of one width.
        after: The same modalities' codes ``z_m`` [I, d].
        seed: Of the sample and of the map.
        method: ``'tsne'``, or ``'pca'`` for the two main directions.
        num_points: Items drawn.
        titles: Of the two panels.

    Raises:
        ConfigError: The modalities differ or are none, rows or widths differ, there are fewer than
            5 items, a value is not finite, or the method is unknown.
    """
    if not before or set(before) != set(after):
        raise ConfigError(f"before and after: modalities {sorted(before)}, {sorted(after)} differ")
    sizes = {table.size(0) for table in (*before.values(), *after.values())}
    if len(sizes) > 1 or min(sizes) < 5:
        raise ConfigError(f"before and after: got {sorted(sizes)} rows, expected one size, 5 or up")
    draw = torch.Generator().manual_seed(seed)
    sample = torch.randperm(sizes.pop(), generator=draw)[:num_points]
    figure, axes = panels(1, 2, 4.2, 4.0)
    for axis, tables, title in zip(axes, (before, after), titles, strict=True):
        points = _project(tables, sample, method, seed)
        for position, name in enumerate(before):
            rows = points[position * len(sample) : (position + 1) * len(sample)]
            dots = {"s": 9, "alpha": 0.65, "linewidths": 0, "color": look(position)["color"]}
            marker = MARKERS[position % len(MARKERS)]
            axis.scatter(*rows.T, marker=marker, label=name, **dots)
        axis.set_xticks([])
        axis.set_yticks([])
        unit = "t-SNE" if method == "tsne" else "principal direction"
        label(axis, f"{unit} 1", f"{unit} 2", title)
    legend_below(figure, 8, markerscale=2)
    return figure


def _project(tables: Mapping[str, Tensor], sample: Tensor, method: str, seed: int) -> Any:
    """[M n, 2], modality after modality."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    widths = {name: table.size(1) for name, table in tables.items()}
    if len(set(widths.values())) > 1:
        raise ConfigError(f"the modalities have different widths: {widths}; expected one width")
    rows = torch.cat([t.detach().cpu()[sample].double() for t in tables.values()])
    if not bool(torch.isfinite(rows).all()):
        raise ConfigError("a code is NaN or infinite; nothing can be drawn")
    if method == "pca":
        return PCA(2, random_state=seed).fit_transform(rows.numpy())
    narrow = PCA(min(30, *rows.shape), random_state=seed).fit_transform(rows.numpy())
    perplexity = min(30.0, (len(rows) - 1) / 3)
    with threadpool_limits(1):  # more threads gain nothing here and stall where cores are busy
        return TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(narrow)
