"""What a graph holds, for people: degrees, coverage and scale of the modalities, anomalies."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.datasets.folder.feature_report import feature_report
from mrdib_graph.transforms.scale_features import (
    MAX_MEAN_COSINE,
    MAX_NORM_RATIO,
    norm_ratio,
    row_statistics,
)

TOP = 0.1
"""Share of the most active users, or most popular items, whose part of all rows is given."""


class ModalitySummary(NamedTuple):
    """One modality: its width, how many items have a row, and how long the rows are.

    ``norms`` [n] are those of the rows; ``zero`` items have a row that is all zero.
    """

    width: int
    items: int
    zero: int
    coverage: float
    norms: Tensor
    cosine: float


class Description(NamedTuple):
    """Degrees over all interactions [U] and [I], the modalities, and anomalies in words."""

    degrees: dict[str, Tensor]
    modalities: dict[str, ModalitySummary]
    anomalies: list[str]


def describe_graph(data: HeteroData) -> Description:
    """Look at interactions and raw features; pass a graph whose features are not scaled yet.

    Anomalies are: all-zero rows, rows equal to an earlier one, near-constant columns, rows with a
    norm far from the median, modalities whose median norms differ tenfold, a modality whose rows
    all point the same way, items and users without interactions or without a training row, and
    empty splits.
    """
    users, items = graph.interactions(data)
    degrees = {
        "users": torch.bincount(users, minlength=graph.num_users(data)),
        "items": torch.bincount(items, minlength=graph.num_items(data)),
    }
    modalities, anomalies = {}, _interaction_anomalies(data, degrees)
    for name in graph.modalities(data):
        x, (node, item) = data[name].x, data[graph.describes(name)].edge_index
        report = feature_report(x)
        modalities[name] = ModalitySummary(
            width=x.size(1),
            items=item.numel(),
            zero=int((report.norms[node] == 0).sum()),
            coverage=item.numel() / graph.num_items(data),
            norms=report.norms,
            cosine=row_statistics(x)[1],
        )
        anomalies += [f"{name}: {count:,} {what}" for what, count in report.counts.items() if count]
    return Description(degrees, modalities, anomalies + _scale_anomalies(modalities))


def _interaction_anomalies(data: HeteroData, degrees: dict[str, Tensor]) -> list[str]:
    found = []
    for name, degree in degrees.items():
        if count := int((degree == 0).sum()):
            found.append(f"{count:,} {name} have no interaction")
    store = data[graph.INTERACTS]
    if "train_mask" not in store:
        return found
    for row, (name, degree) in enumerate(degrees.items()):
        trained = torch.bincount(graph.interactions(data, "train")[row], minlength=degree.numel())
        if count := int(((trained == 0) & (degree > 0)).sum()):
            found.append(f"{count:,} {name} have interactions and none of them in training")
    for name in graph.SPLITS:
        if not bool(store[f"{name}_mask"].any()):
            found.append(f"the {name} split is empty")
    return found


def _scale_anomalies(modalities: dict[str, ModalitySummary]) -> list[str]:
    """By the limits at which features are scaled, see :class:`ScaleFeatures`."""
    found = [
        f"{name}: all rows point the same way, two of them have mean cosine {m.cosine:.3f}"
        for name, m in modalities.items()
        if m.cosine > MAX_MEAN_COSINE
    ]
    used = {name: m.norms[m.norms > 0] for name, m in modalities.items()}
    median = {name: float(norms.median()) for name, norms in used.items() if norms.numel()}
    low, high, ratio = norm_ratio(median)
    if ratio > MAX_NORM_RATIO:
        found.append(f"rows of {high} are {ratio:,.0f} times as long as those of {low}")
    return found


def quantiles(values: Tensor) -> list[float]:
    """Least, 25 %, median, 75 % and largest of ``values`` [n], each one of the values."""
    ordered = values.double().sort().values
    return [float(ordered[round(q * (ordered.numel() - 1))]) for q in (0, 0.25, 0.5, 0.75, 1)]


def top_share(degree: Tensor) -> float:
    """Share of all interactions that the ``TOP`` most active hold, at least one of them."""
    count = max(1, round(TOP * degree.numel()))
    return int(degree.topk(count).values.sum()) / int(degree.sum())
