"""What DualGNN, DRAGON and MENTOR have in common: one GCN per modality, and weights per user."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import torch
from torch import Generator, Tensor
from torch.nn import Module, ModuleDict, Parameter, init
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Sizes, Step
from mrdib_graph.nn import PreferenceGCN, UserGraphConv
from mrdib_graph.nn.user_graph_conv import Pad
from mrdib_graph.options import Count, NonNegative, NonNegativeInt, checked
from mrdib_graph.transforms import UserCooccurrenceGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms

WEIGHTS = "modality_weights"
"""Name of the user rows that hold w [U, M]."""


class PreferenceEncoders(Module):
    """A :class:`PreferenceGCN` for each modality.

    Args:
        num_users: U.
        in_channels: Raw width of each modality, one or more.
        embedding_dim: d.
        num_layers: Hops on the user-item graph.
        noise: Noise after each hop, in training.
    """

    def __init__(
        self,
        num_users: int,
        in_channels: Mapping[str, int],
        embedding_dim: int,
        num_layers: int = 2,
        noise: float = 0.0,
    ) -> None:
        super().__init__()
        self.gcn = ModuleDict(
            {
                m: PreferenceGCN(num_users, d, embedding_dim, num_layers=num_layers, noise=noise)
                for m, d in in_channels.items()
            }
        )

    def forward(self, data: HeteroData) -> tuple[Rows, Rows]:
        """User rows and item rows of every modality."""
        user_item = graph.user_item_graph(data, "sym")
        users, items = {}, {}
        for m, gcn in self.gcn.items():
            users[m], items[m] = gcn(*graph.item_features(data, m), user_item)
        return users, items

    def regulariser(self, users: Tensor, weights: Tensor) -> Tensor:
        r"""Mean squares :math:`\sum_m \overline{p_{m,u}^2} + \overline{w^2}`, users [B] -> []."""
        tables = [gcn.get_parameter("preference") for gcn in self.gcn.values()]
        means = [table[users].square().mean() for table in tables]
        return torch.stack([*means, weights.square().mean()]).sum()


def user_weights(num_users: int, num_modalities: int) -> Parameter:
    """Weights [U, M] of the modalities for each user, near 1 / M at first and free afterwards."""
    start = torch.empty(num_users, num_modalities, 1)
    init.xavier_normal_(start)
    return Parameter(start.squeeze(-1).softmax(1))


def weighted(h: Rows, modalities: list[str]) -> list[Tensor]:
    """Each modality's user rows times the user's weight of it, M tensors [n, d]."""
    columns = torch.split(h[WEIGHTS], 1, dim=1)
    return [w * h[m] for w, m in zip(columns, modalities, strict=True)]


class PreferenceBackbone(Backbone):
    r"""A backbone that reads :class:`PreferenceEncoders` and weighs a user's modalities.

    .. math::
        v_u = [w_{u1} e_{1,u} | \dots | w_{uM} e_{M,u}], \qquad q_i = [e_{1,i} | \dots | e_{M,i}]

    with free weights w that start near 1 / M.  The ranking loss is in bits (weight 1 / ln 2).

    Args:
        num_layers: Hops on the user-item graph.
        reg: Weight of the mean squares of the batch users' preferences and of w.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.
    """

    rowwise = False
    has_ids = False
    needs_modalities = True

    @checked
    def __init__(
        self, num_layers: NonNegativeInt = 2, reg: NonNegative = 1e-3, **sizes: Unpack[Sizes]
    ) -> None:
        super().__init__(**sizes)
        users, d = self.num_users, self.embedding_dim
        self.encoders = PreferenceEncoders(users, self.in_channels, d, num_layers)
        self.weights = user_weights(users, len(self.modalities))
        self.loss_weights = {"ranking": 1 / math.log(2), "reg": reg}

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetric user-item graph."""
        return (UserItemGraph("sym"),)

    def encode(self, data: HeteroData) -> Embeddings:
        """Users and items of every modality, and the users' weights."""
        users, items = self.encoders(data)
        return {"user": {**users, WEIGHTS: self.weights}, "item": items}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The modalities side by side, weighted for users; before what :meth:`propagate` adds."""
        user = node_type == graph.USER
        parts = weighted(h, self.modalities) if user else [h[m] for m in self.modalities]
        return Fused(torch.cat(parts, dim=1))

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """Mean squares of preferences and weights."""
        del data
        if not self.loss_weights["reg"]:
            return {}
        return {"reg": self.encoders.regulariser(step.batch.user, self.weights)}


class CompanionBackbone(PreferenceBackbone):
    r"""Smooths users over the graph G of users who share items: :math:`v + G v`.

    G is :class:`~mrdib_graph.nn.UserGraphConv`'s.

    Args:
        user_k: Companions per user.
        pad: What fills the slots of a user with fewer companions: ``'resample'``, a draw for
            each epoch (the release), or ``'none'``.
        **options: See :class:`PreferenceBackbone`.
    """

    @checked
    def __init__(self, user_k: Count = 40, pad: Pad = "resample", **options: Any) -> None:
        super().__init__(**options)
        self.user_graph = UserCooccurrenceGraph(user_k, max(user_k, 200))
        self.companions = UserGraphConv(user_k, pad)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetric user-item graph and the users who share items."""
        return (*super().graphs, self.user_graph)

    def prepare_epoch(self, data: HeteroData, generator: Generator) -> None:
        """Draw what fills the empty slots of the user graph."""
        del data
        self.companions.draw(generator)

    def propagate(self, fused: Fused, node_type: str, data: HeteroData) -> Fused:
        """Users add what their companions are like; items stay."""
        if node_type == graph.ITEM:
            return fused
        counts = graph.operator(data, f"user_cooccurrence_{self.companions.k}")
        return fused._replace(out=fused.out + self.companions(fused.out, counts))
