"""MGCN: item IDs gated by content, a view for each modality, and attention over the views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import Embedding, Linear, ModuleDict
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Step, embedding, features_trained
from mrdib_graph.backbones.messages import history_messages, item_messages, user_item_messages
from mrdib_graph.backbones.side_contrast import side_contrast
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import l2_half
from mrdib_graph.nn import AttentionFuser, GatedIDs, LightConv, Projection
from mrdib_graph.subgraph import Sampling, table_rows
from mrdib_graph.transforms import ItemKNNGraph, UserHistoryGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class MGCN(Backbone):
    r"""`"Multi-View Graph Convolutional Network for Multimedia Recommendation"
    <https://arxiv.org/abs/2308.03588>`_ (Yu et al., MM 2023), any number of modalities.

    .. math::
        y_m &= Q \odot \sigma(G_m (X_m W_m + b_m) + g_m), \qquad
        e_m = \begin{bmatrix} S_{UI} K_m^n y_m \\ K_m^n y_m \end{bmatrix}, \qquad
        c = \mathrm{LGC}_L(S, [P; Q]) \\
        \bar e &= \sum_m t_m e_m, \qquad q_m = \sigma(P_m c + p_m) \odot (e_m - \bar e), \qquad
        \mathrm{side} = \frac{\bar e + \sum_m q_m}{M + 1} \\
        s(u, i) &= (c_u + \mathrm{side}_u)^\top (c_i + \mathrm{side}_i)

    with t from :class:`~mrdib_graph.nn.AttentionFuser`, :math:`K_m` the raw ``cos_sym`` kNN graph
    and :math:`S_{UI}` the user-by-item block of the symmetric user-item graph S.  Beside the
    ranking loss: half the squared L2 norm of the fused rows, and
    :func:`~mrdib_graph.backbones.side_contrast.side_contrast`.

    Args:
        num_users: U.
        num_items: I.
        in_channels: Raw width of each modality.
        embedding_dim: d.
        num_layers: L, layers on the user-item graph.
        num_item_layers: n, layers on the item graphs.
        k: Neighbours per item, itself included; one number or one for each modality.
        side_scale: ``'mean'`` (the release: all of the side view over M + 1) or ``'paper'``
            (:math:`\bar e + \tfrac1M \sum_m q_m`).
        contrast_weight: Weight of the alignment.
        temperature: :math:`\tau` of the alignment.
        reg: Weight of the L2 term.
        train_features: Train a copy of the raw features too, as the release does; the item graphs
            keep the given ones.

    Shapes:
        Both tables are d wide.

    Note:
        The default of ``side_scale`` is the release's, which made the published numbers; that of
        ``train_features`` is not.  A modality without rows at a node (an item that lacks it, a user
        of such items only) takes no attention there and has no :math:`q_m`.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: Mapping[str, int],
        embedding_dim: int = 64,
        num_layers: int = 2,
        num_item_layers: int = 1,
        k: int | Mapping[str, int] = 10,
        side_scale: Literal["mean", "paper"] = "mean",
        contrast_weight: float = 0.01,
        temperature: float = 0.2,
        reg: float = 1e-4,
        train_features: bool = False,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, embedding_dim)
        if not in_channels:
            raise ConfigError("mgcn: the graph has no modality, it needs one or more")
        if num_item_layers < 1:
            raise ConfigError(f"num_item_layers: got {num_item_layers}, expected 1 or more")
        if side_scale not in ("mean", "paper"):
            raise ConfigError(f"side_scale: got {side_scale!r}, expected mean or paper")
        if not temperature > 0:
            raise ConfigError(f"temperature: got {temperature}, expected more than 0")
        self.item_graphs = ItemKNNGraph(k, "cos_sym", tuple(in_channels))
        self.side_scale = side_scale
        self.temperature = temperature
        self.loss_weights = {"reg": reg, "contrast": contrast_weight}
        self.user: Embedding = embedding(num_users, embedding_dim)
        self.item: Embedding = embedding(num_items, embedding_dim)
        self.conv = LightConv(num_layers)
        self.item_conv = LightConv(num_item_layers, readout="last")
        trained_rows = num_items if train_features else 0
        self.project = ModuleDict(
            {m: Projection(d, embedding_dim, True, trained_rows) for m, d in in_channels.items()}
        )
        self.gate = ModuleDict({m: GatedIDs(embedding_dim) for m in in_channels})
        self.attention = AttentionFuser(embedding_dim)
        self.preference = ModuleDict({m: Linear(embedding_dim, embedding_dim) for m in in_channels})

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The user-item graph, its user-by-item block and the item kNN graphs."""
        return (UserItemGraph("sym"), UserHistoryGraph("sym"), self.item_graphs)

    @property
    def not_sampled(self) -> str | None:
        """It can be, unless raw features are trained."""
        return features_trained(self.project)

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the user-item graph; n along each item graph, from there one to users."""
        self.check_sampled()
        hops = self.item_conv.num_layers + 1
        return Sampling(
            [
                user_item_messages(graph.user_item_graph(data, "sym"), "sym", self.conv.num_layers),
                history_messages(data, "sym", 1),
                *(item_messages(data, m, "cos_sym", hops) for m in self.modalities),
            ],
            self.modalities,
            all_features=True,
        )

    def encode(self, data: HeteroData) -> Embeddings:
        """IDs by the user-item graph; gated IDs by the item graphs, and from there to users."""
        user, q = table_rows(self.user, data, "user"), table_rows(self.item, data, "item")
        ids = self.conv(torch.cat([user, q]), graph.user_item_graph(data, "sym"))
        user, item = ids.split([user.size(0), q.size(0)])
        content: Rows = {}
        for m in self.modalities:
            x, _ = graph.item_features(data, m)  # an item without a row has no edge below
            gated = self.gate[m](q, self.project[m](x))
            content[m] = self.item_conv(gated, graph.item_graph(data, m, "cos_sym"))
        history = graph.user_history(data, "sym")
        of_users = {m: history @ rows for m, rows in content.items()}
        return {"user": {"id": user, **of_users}, "item": {"id": item, **content}}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The behaviour view ``'id'`` plus the side view that attention makes of the modalities."""
        del node_type
        behavior = h["id"]
        e = torch.stack([h[m] for m in self.modalities], dim=1)
        present = (e.detach() != 0).any(-1).to(e.dtype)  # [n, M]
        common, weights = self.attention(e)
        # zero rows add nothing to the sum, so this is the softmax over the others
        common = common / (weights * present).sum(1, keepdim=True).clamp(min=1e-12)
        own: list[Tensor] = [
            self.preference[m](behavior).sigmoid() * (e[:, j] - common) * present[:, j : j + 1]
            for j, m in enumerate(self.modalities)
        ]
        total = torch.stack(own).sum(0)
        if self.side_scale == "mean":
            side = (common + total) / (len(own) + 1)
        else:
            side = common + total / len(own)
        return Fused(behavior + side, {"side": side, "behavior": behavior})

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """L2 on the fused rows of the batch, and the alignment of side and behaviour view."""
        del data
        terms: Terms = {}
        if self.loss_weights["reg"]:
            terms["reg"] = l2_half(step.user.out, step.item.out)
        if self.loss_weights["contrast"]:
            terms["contrast"] = side_contrast(step, self.temperature)
        return terms
