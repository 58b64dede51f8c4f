"""DRAGON: DualGNN's encoders side by side, smoothed over an item graph and a user graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Step
from mrdib_graph.backbones.item_graph_sum import ItemGraphSum
from mrdib_graph.backbones.preference_encoders import (
    WEIGHTS,
    PreferenceEncoders,
    user_weights,
    weighted,
)
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import UserGraphConv
from mrdib_graph.nn.user_graph_conv import Pad
from mrdib_graph.transforms import UserCooccurrenceGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class DRAGON(Backbone):
    r"""`"Enhancing Dyadic Relations with Homogeneous Graphs for Multimodal Recommendation"
    <https://arxiv.org/abs/2301.12097>`_ (Zhou et al., ECAI 2023).

    .. math::
        v_u = [w_{u1} e_{1,u} | \dots | w_{uM} e_{M,u}], \quad
        q_i = [e_{1,i} | \dots | e_{M,i}], \qquad
        s(u, i) = (v + G v)_u^\top (q + K^n q)_i

    with the encoders, weights w and user graph G of :class:`DualGNN` and FREEDOM's frozen item
    graph :math:`K = \sum_m \beta_m K_m`.

    Args:
        num_users: U.
        num_items: I.
        in_channels: Raw width of each modality.
        embedding_dim: d of each modality.
        num_layers: Hops on the user-item graph.
        num_item_layers: n.
        k: Neighbours per item, itself included.
        user_k: Companions per user.
        pad: See :class:`DualGNN`.
        modality_weights: :math:`\beta`, one for each modality, made to sum to 1; equal for None.
        reg: Weight of the mean squares of the batch users' preferences and of w.

    Shapes:
        Both tables are d M wide.

    Note:
        The ranking loss is in bits (weight 1 / ln 2).  The release holds projection tables that
        nothing reads; they are left out.
    """

    rowwise = False
    has_ids = False

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: Mapping[str, int],
        embedding_dim: int = 64,
        num_layers: int = 2,
        num_item_layers: int = 1,
        k: int = 10,
        user_k: int = 40,
        pad: Pad = "resample",
        modality_weights: Mapping[str, float] | None = None,
        reg: float = 1e-3,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, embedding_dim)
        if user_k < 1:
            raise ConfigError(f"user_k: got {user_k}, expected 1 or more")
        self.encoders = PreferenceEncoders(num_users, in_channels, embedding_dim, num_layers)
        self.weights = user_weights(num_users, len(in_channels))
        self.user_graph = UserCooccurrenceGraph(user_k, max(user_k, 200))
        self.companions = UserGraphConv(user_k, pad)
        self.item_graph = ItemGraphSum(self.modalities, modality_weights, k, num_item_layers)
        self.loss_weights = {"ranking": 1 / math.log(2), "reg": reg}

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetric user-item graph, the item kNN graphs and the users who share items."""
        return (UserItemGraph("sym"), *self.item_graph.graphs, self.user_graph)

    def prepare_epoch(self, data: HeteroData, generator: Generator) -> None:
        """Draw what fills the empty slots of the user graph."""
        del data
        self.companions.draw(generator)

    def encode(self, data: HeteroData) -> Embeddings:
        """Users and items of every modality, and the users' weights."""
        users, items = self.encoders(data)
        return {"user": {**users, WEIGHTS: self.weights}, "item": items}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The modalities side by side, weighted for users; before the two graphs."""
        parts = [h[m] for m in self.modalities]
        if node_type == graph.USER:
            parts = weighted(h, self.modalities)
        return Fused(torch.cat(parts, dim=1), {})

    def propagate(self, fused: Fused, node_type: str, data: HeteroData) -> Fused:
        """Users add their companions, items their neighbours."""
        if node_type == graph.ITEM:
            return Fused(fused.out + self.item_graph(data, fused.out), fused.views)
        counts = graph.operator(data, f"user_cooccurrence_{self.companions.k}")
        return Fused(fused.out + self.companions(fused.out, counts), fused.views)

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """Mean squares of preferences and weights."""
        del data
        if not self.loss_weights["reg"]:
            return {}
        return {"reg": self.encoders.regulariser(step.batch.user, self.weights)}
