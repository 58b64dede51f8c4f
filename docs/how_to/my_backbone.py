"""A backbone of your own: ``mrdib-graph run --backbone my_backbone.py:ContentGCN``."""

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones import Backbone, Sizes, embedding
from mrdib_graph.nn import LightConv
from mrdib_graph.options import Count, NonNegativeInt, checked
from mrdib_graph.transforms import ItemKNNGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Rows


class ContentGCN(Backbone):
    r"""Propagated IDs plus, for each modality, what similar items look like.

    .. math::
        [E_u; E_i] = \mathrm{LightGCN}([P; Q]), \quad h_m = S_m (X_m W_m + b_m), \quad
        s(u, i) = \langle E_u, E_i + \textstyle\sum_m h_{m,i} \rangle

    S_m is the graph of each item's k nearest items by the raw features X_m.
    """

    @checked
    def __init__(
        self, num_layers: NonNegativeInt = 2, k: Count = 10, **sizes: Unpack[Sizes]
    ) -> None:
        super().__init__(**sizes)
        self.user = embedding(self.num_users, self.embedding_dim)
        self.item = embedding(self.num_items, self.embedding_dim)
        self.conv = LightConv(num_layers)
        self.project = self.projections()
        self.knn = ItemKNNGraph(k)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """What ``encode`` reads, built on demand and once."""
        return UserItemGraph(), self.knn

    def encode(self, data: HeteroData) -> Embeddings:
        """Full tables: users' and items' IDs [n, d], and each modality of the items [I, d]."""
        ids = torch.cat([self.user.weight, self.item.weight])  # [U + I, d]
        user, item = self.conv(ids, graph.user_item_graph(data)).tensor_split([self.num_users])
        rows = {m: self.project[m](graph.item_features(data, m)[0]) for m in self.modalities}
        content = {m: graph.item_graph(data, m) @ x for m, x in rows.items()}
        return {"user": {"id": user}, "item": {"id": item, **content}}

    def fuse(self, h: Rows, node_type: str) -> Tensor:
        """The sum of a node's rows, which may be MRdIB's codes: [n, d] each to [n, d]."""
        del node_type
        return torch.stack(list(h.values())).sum(0)
