"""Forget derived graphs whose inputs have changed, so that they are built again on demand."""

from __future__ import annotations

from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.sparse import SparseMatrix


def drop_operators(data: HeteroData) -> None:
    """Remove every derived sparse operator; the transforms that made them make them again."""
    for name, value in list(data.to_dict()["_global_store"].items()):
        if isinstance(value, SparseMatrix):
            del data[name]


def drop_feature_derived(data: HeteroData) -> None:
    """Remove operators and kNN item graphs, and gather aligned features again."""
    drop_operators(data)
    for modality in graph.modalities(data):
        if graph.similar(modality) in data.edge_types:
            del data[graph.similar(modality)]
        aligned = [
            name for name in (f"x_{modality}", f"has_{modality}") if name in data[graph.ITEM]
        ]
        for name in aligned:
            del data[graph.ITEM][name]
        if aligned:
            graph.align_features(data, modality)
