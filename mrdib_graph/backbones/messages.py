"""What backbones say of their messages: one line for each kind of operator."""

from __future__ import annotations

from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.subgraph import Messages


def history_messages(data: HeteroData, norm: str, num_hops: int) -> Messages:
    """Messages from items to the users who took them [U, I]."""
    matrix = graph.user_history(data, norm)
    return Messages(f"user_history_{norm}", matrix, graph.USER, graph.ITEM, num_hops)


def item_messages(data: HeteroData, modality: str, kind: str, num_hops: int) -> Messages:
    """Messages along the item graph of a modality [I, I]."""
    matrix = graph.item_graph(data, modality, kind)
    return Messages(f"item_{modality}_{kind}", matrix, graph.ITEM, graph.ITEM, num_hops)
