"""Names to metrics at their cut-offs, and what these read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch_geometric.data import HeteroData

from mrdib_graph import graph, metrics, resolver
from mrdib_graph.errors import ConfigError
from mrdib_graph.metrics import Catalogue, Metric


def chosen_metrics(names: Sequence[str | type[Metric]], cutoffs: Sequence[int]) -> list[Metric]:
    """Each metric at every cut-off, cut-offs innermost; once where it has none.

    Args:
        names: Names, classes, or ``"file.py:Class"``.
        cutoffs: Of those that have one.

    Raises:
        ConfigError: A metric is unknown, or there twice.
    """
    found: dict[str, list[Metric]] = {}
    for name in names:
        cls: type[Metric] = resolver.resolve_class(name, metrics, Metric, "metrics")
        if cls.label() in found:
            raise ConfigError(f"metrics: '{cls.label()}' is there twice; name each metric once")
        found[cls.label()] = [cls(k) for k in cutoffs] if cls.has_cutoff else [cls()]
    return [metric for at_cutoffs in found.values() for metric in at_cutoffs]


def read_by(chosen: Sequence[Metric]) -> set[str]:
    """What some metrics read beside the hits."""
    return {part for metric in chosen for part in metric.reads}


def catalogue(data: HeteroData, chosen: Sequence[Metric]) -> Catalogue:
    """Users and items as some metrics read them, on the CPU.

    Raises:
        ConfigError: A metric reads features, and the graph has none.
    """
    num_items = graph.num_items(data)
    item = graph.interactions(data, "train")[1].cpu()
    count = torch.bincount(item, minlength=num_items)
    features = None
    if "features" in read_by(chosen):
        names = graph.modalities(data)
        if not names:
            who = next(metric.name for metric in chosen if "features" in metric.reads)
            raise ConfigError(f"metrics: {who} compares features, and the graph has no modality")
        tables = [graph.item_features(data, name)[0].cpu().float() for name in names]
        features = [F.normalize(x, dim=1) for x in tables]
    return Catalogue(graph.num_users(data), count, features)
