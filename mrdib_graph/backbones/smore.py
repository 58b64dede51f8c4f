"""SMORE: MGCN with filters in the frequency domain and a third view that fuses the modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch.nn import Dropout, Embedding, Linear, ModuleDict, Sequential, Tanh
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Step, embedding, features_trained
from mrdib_graph.backbones.messages import history_messages, item_messages, user_item_messages
from mrdib_graph.backbones.side_contrast import side_contrast
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import l2_half
from mrdib_graph.nn import GatedIDs, LightConv, Projection, SpectralFilter
from mrdib_graph.subgraph import Messages, Sampling, table_rows
from mrdib_graph.transforms import MaxItemGraph, UserHistoryGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms

FUSED = "fused"
"""Name of the fused view's rows: not a modality, so no code of MRdIB stands for it."""


class SMORE(Backbone):
    r"""`"Spectrum-based Modality Representation Fusion Graph Convolutional Network for Multimodal
    Recommendation" <https://arxiv.org/abs/2412.14978>`_ (Ong and Khong, WSDM 2025), any number of
    modalities.

    .. math::
        f_m &= X_m W_m + b_m, \qquad
        \tilde f_m = \mathcal{F}^{-1}(c_m \odot \mathcal{F} f_m), \qquad
        \tilde f_\ast = \mathcal{F}^{-1}\Big(c_\ast \odot \prod_m \mathcal{F} f_m\Big) \\
        y_v &= Q \odot \sigma(G_v \tilde f_v + g_v), \qquad
        e_v = \begin{bmatrix} S_{UI} K_v^n y_v \\ K_v^n y_v \end{bmatrix}
        \quad \text{for } v \in \{1 .. M, \ast\}, \qquad c = \mathrm{LGC}_L(S, [P; Q]) \\
        \mathrm{side} &= \frac{1}{M + 1} \Big(\sigma(P_\ast c + p_\ast) \odot e_\ast
        + \sum_m \sigma(P_m c + p_m) \odot \mathrm{softmax}(B_m \tanh(A_m e_\ast + a_m)) \odot e_m
        \Big) \\
        s(u, i) &= (c_u + \mathrm{side}_u)^\top (c_i + \mathrm{side}_i)

    with the softmax over the d channels, :math:`K_m` the raw ``cos_sym`` kNN graph, :math:`K_\ast`
    from :class:`~mrdib_graph.transforms.MaxItemGraph` and the filters from
    :class:`~mrdib_graph.nn.SpectralFilter`.  The loss terms are those of
    :class:`~mrdib_graph.backbones.MGCN`.

    Args:
        num_users: U.
        num_items: I.
        in_channels: Raw width of each modality.
        embedding_dim: d.
        num_layers: L, layers on the user-item graph.
        num_item_layers: n, layers on the item graphs.
        k: Neighbours per item, itself included; one number or one for each modality.
        dropout: Probability of dropping a channel of the gates :math:`\sigma(P_v c + p_v)`, in
            training only.
        contrast_weight: Weight of the alignment.
        temperature: :math:`\tau` of the alignment.
        reg: Weight of half the squared L2 norm on the fused batch rows.
        train_features: Train a copy of the raw features too, as the release does; the item graphs
            keep the given ones.

    Shapes:
        Both tables are d wide.

    Note:
        An item that lacks a modality has a product over the others.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: Mapping[str, int],
        embedding_dim: int = 64,
        num_layers: int = 3,
        num_item_layers: int = 1,
        k: int | Mapping[str, int] = 10,
        dropout: float = 0.0,
        contrast_weight: float = 0.01,
        temperature: float = 0.2,
        reg: float = 1e-4,
        train_features: bool = False,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, embedding_dim)
        if not in_channels:
            raise ConfigError("smore: the graph has no modality, it needs one or more")
        if FUSED in in_channels:
            raise ConfigError(f"smore: the modality '{FUSED}' has the fused view's name; rename it")
        if num_item_layers < 1:
            raise ConfigError(f"num_item_layers: got {num_item_layers}, expected 1 or more")
        if not 0 <= dropout < 1:
            raise ConfigError(f"dropout: got {dropout}, expected a probability below 1")
        if not temperature > 0:
            raise ConfigError(f"temperature: got {temperature}, expected more than 0")
        self.item_graphs = MaxItemGraph(k, "cos_sym", tuple(in_channels))
        self.temperature = temperature
        self.loss_weights = {"reg": reg, "contrast": contrast_weight}
        self.user: Embedding = embedding(num_users, embedding_dim)
        self.item: Embedding = embedding(num_items, embedding_dim)
        self.conv = LightConv(num_layers)
        self.item_conv = LightConv(num_item_layers, readout="last")
        d, views = embedding_dim, [*in_channels, FUSED]
        trained_rows = num_items if train_features else 0
        self.project = ModuleDict(
            {m: Projection(d_m, d, True, trained_rows) for m, d_m in in_channels.items()}
        )
        self.filter = ModuleDict({v: SpectralFilter(d) for v in views})
        self.gate = ModuleDict({v: GatedIDs(d) for v in views})
        self.query = ModuleDict(
            {m: Sequential(Linear(d, d), Tanh(), Linear(d, d, bias=False)) for m in in_channels}
        )
        self.preference = ModuleDict({v: Linear(d, d) for v in views})
        self.dropout = Dropout(dropout)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The user-item graph, its user-by-item block, the item kNN graphs and their maximum."""
        return (UserItemGraph("sym"), UserHistoryGraph("sym"), self.item_graphs)

    @property
    def not_sampled(self) -> str | None:
        """It can be, unless raw features are trained."""
        return features_trained(self.project)

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the user-item graph; n along each item graph, from there one to users."""
        self.check_sampled()
        hops = self.item_conv.num_layers + 1
        matrix = self.item_graphs.matrix(data)
        return Sampling(
            [
                user_item_messages(graph.user_item_graph(data, "sym"), "sym", self.conv.num_layers),
                history_messages(data, "sym", 1),
                *(item_messages(data, m, "cos_sym", hops) for m in self.modalities),
                Messages(self.item_graphs.name(data), matrix, graph.ITEM, graph.ITEM, hops),
            ],
            self.modalities,
            all_features=True,
        )

    def encode(self, data: HeteroData) -> Embeddings:
        """IDs by the user-item graph; gated IDs by the item graphs, and from there to users."""
        user, q = table_rows(self.user, data, "user"), table_rows(self.item, data, "item")
        ids = self.conv(torch.cat([user, q]), graph.user_item_graph(data, "sym"))
        user, item = ids.split([user.size(0), q.size(0)])
        features = [graph.item_features(data, m) for m in self.modalities]
        masks = None if all(bool(mask.all()) for _, mask in features) else [m for _, m in features]
        f = [self.project[m](x) for m, (x, _) in zip(self.modalities, features, strict=True)]
        filtered = {m: self.filter[m]([f_m]) for m, f_m in zip(self.modalities, f, strict=True)}
        filtered[FUSED] = self.filter[FUSED](f, masks)
        graphs = {m: graph.item_graph(data, m, "cos_sym") for m in self.modalities}
        graphs[FUSED] = self.item_graphs.matrix(data)
        # an item without a modality has no edge in its graph, so what stands in its row is not read
        content: Rows = {v: self.item_conv(self.gate[v](q, filtered[v]), graphs[v]) for v in graphs}
        history = graph.user_history(data, "sym")
        of_users = {v: history @ rows for v, rows in content.items()}
        return {"user": {"id": user, **of_users}, "item": {"id": item, **content}}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The behaviour view ``'id'`` plus the mean of the gated views."""
        del node_type
        behavior, fused = h["id"], h[FUSED]
        views = {m: self.query[m](fused).softmax(-1) * h[m] for m in self.modalities}
        views[FUSED] = fused
        gated = [
            self.dropout(self.preference[v](behavior).sigmoid()) * rows for v, rows in views.items()
        ]
        side = torch.stack(gated).mean(0)
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
