"""Tables of IDs and LightGCN's propagation of them: what most backbones start from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Sizes, embedding
from mrdib_graph.nn import LightConv
from mrdib_graph.options import NonNegativeInt, checked
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.subgraph import ALL, Messages, Sampling, table_rows
from mrdib_graph.transforms import UserItemGraph


class IDGraph(Backbone):
    r"""A backbone with ID tables P of users and Q of items on a user-item graph G.

    .. math::
        \mathrm{LGC}_L(G, [P; Q]) = \frac{1}{L+1} \sum_{l=0}^{L} G^l [P; Q]

    Args:
        num_layers: L, layers on the user-item graph.
        **sizes: See :class:`Backbone`.
    """

    user_item = "user_item_sym"
    """Name of the operator G [U + I, U + I]."""

    @checked
    def __init__(self, num_layers: NonNegativeInt = 2, **sizes: Unpack[Sizes]) -> None:
        super().__init__(**sizes)
        self.user = embedding(self.num_users, self.embedding_dim)
        self.item = embedding(self.num_items, self.embedding_dim)
        self.conv = LightConv(num_layers)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetrically normalised user-item graph."""
        return (UserItemGraph("sym"),)

    def user_item_matrix(self, data: HeteroData) -> SparseMatrix:
        """G, of the whole graph or of a subgraph."""
        return graph.operator(data, self.user_item)

    def propagate_ids(self, data: HeteroData, item: Tensor) -> tuple[Tensor, Tensor]:
        """Users and items after L layers from P and given item rows: [I, d] -> [U, d], [I, d]."""
        user = table_rows(self.user, data, graph.USER)
        nodes = self.conv(torch.cat([user, item]), self.user_item_matrix(data))
        user, item = nodes.split([user.size(0), item.size(0)])
        return user, item

    def id_messages(self, data: HeteroData) -> Messages:
        """L hops along the user-item graph."""
        return Messages(self.user_item, self.user_item_matrix(data), ALL, ALL, self.conv.num_layers)

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the user-item graph, and the features of the batch's items."""
        self.check_sampled()
        return Sampling([self.id_messages(data)], self.modalities)
