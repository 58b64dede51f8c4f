"""DualGNN: a GCN per modality, modality weights per user, smoothed over a user graph."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Step
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


class DualGNN(Backbone):
    r"""`"DualGNN: Dual Graph Neural Network for Multimedia Recommendation"
    <https://doi.org/10.1109/TMM.2021.3138298>`_ (Wang et al., IEEE TMM 2021).

    .. math::
        e_m &= \mathrm{GCN}_m(x_m), \qquad v_u = \sum_m w_{um}\, e_{m,u} \\
        s(u, i) &= (v + G v)_u^\top \sum_m e_{m,i}

    with :class:`~mrdib_graph.nn.PreferenceGCN` for each modality, free weights w that start near
    1 / M, and G the softmax-weighted graph of users who share items
    (:class:`~mrdib_graph.nn.UserGraphConv`).

    Args:
        num_users: U.
        num_items: I.
        in_channels: Raw width of each modality.
        embedding_dim: d.
        num_layers: Hops on the user-item graph.
        user_k: Companions per user.
        pad: What fills the slots of a user with fewer companions: ``'resample'``, a draw for
            each epoch (the release), or ``'none'``.
        inplace_quirk: Whether the first modality's user rows are those of the sum over modalities,
            :math:`v = w_1 \sum_m e_m + \sum_{m > 1} w_m e_m`, as in the field's toolbox, which
            adds in place; :math:`\sum_m w_m e_m` otherwise, as in the paper.
        reg: Weight of the mean squares of the batch users' preferences and of w.

    Shapes:
        Both tables are d wide.

    Note:
        The ranking loss is in bits (weight 1 / ln 2).  The release's weights of items take part in
        the regulariser only, and its edge-dropped graphs in nothing: both are left out.  An item
        that lacks a modality starts and ends at 0 in its GCN.
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
        user_k: int = 40,
        pad: Pad = "resample",
        inplace_quirk: bool = True,
        reg: float = 1e-2,
    ) -> None:
        super().__init__(num_users, num_items, in_channels, embedding_dim)
        if user_k < 1:
            raise ConfigError(f"user_k: got {user_k}, expected 1 or more")
        self.encoders = PreferenceEncoders(num_users, in_channels, embedding_dim, num_layers)
        self.weights = user_weights(num_users, len(in_channels))
        self.user_graph = UserCooccurrenceGraph(user_k, max(user_k, 200))
        self.companions = UserGraphConv(user_k, pad)
        self.inplace_quirk = inplace_quirk
        self.loss_weights = {"ranking": 1 / math.log(2), "reg": reg}

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetric user-item graph and the users who share items."""
        return (UserItemGraph("sym"), self.user_graph)

    def prepare_epoch(self, data: HeteroData, generator: Generator) -> None:
        """Draw what fills the empty slots of the user graph."""
        del data
        self.companions.draw(generator)

    def encode(self, data: HeteroData) -> Embeddings:
        """Users and items of every modality, and the users' weights."""
        users, items = self.encoders(data)
        return {"user": {**users, WEIGHTS: self.weights}, "item": items}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """Items: the sum over modalities.  Users: the weighted sum, before the user graph."""
        if node_type == graph.USER:
            parts = weighted(h, self.modalities)
            if self.inplace_quirk:
                others = [h[WEIGHTS][:, :1] * h[m] for m in self.modalities[1:]]
                parts = [*parts, *others]
        else:
            parts = [h[m] for m in self.modalities]
        return Fused(_sum(parts), {})

    def propagate(self, fused: Fused, node_type: str, data: HeteroData) -> Fused:
        """Users add what their companions are like; items stay."""
        if node_type == graph.ITEM:
            return fused
        counts = graph.operator(data, f"user_cooccurrence_{self.companions.k}")
        return Fused(fused.out + self.companions(fused.out, counts), fused.views)

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """Mean squares of preferences and weights."""
        del data
        if not self.loss_weights["reg"]:
            return {}
        return {"reg": self.encoders.regulariser(step.batch.user, self.weights)}


def _sum(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts).sum(0)
