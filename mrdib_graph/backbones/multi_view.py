"""What MGCN, SMORE and SOIL have in common: gated IDs in a view for each modality."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Unpack

import torch
from torch import Tensor
from torch.nn import ModuleDict
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Sizes, Step
from mrdib_graph.backbones.id_graph import IDGraph
from mrdib_graph.losses import distinct_rows, info_nce, l2_half
from mrdib_graph.nn import GatedIDs, LightConv
from mrdib_graph.options import Count, NonNegative, NonNegativeInt, Positive, checked
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.subgraph import Messages, Sampling, table_rows
from mrdib_graph.transforms import UserHistoryGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Rows, Terms


class MultiView(IDGraph):
    r"""A backbone with a behaviour view c of users and items, and a view for each v of some.

    .. math::
        c = \mathrm{LGC}_L(S, [P; Q]), \qquad
        y_v = Q \odot \sigma(G_v f_v + g_v), \qquad
        e_v = \begin{bmatrix} S_{UI} K_v^n y_v \\ K_v^n y_v \end{bmatrix}

    with features :math:`f_v`, by default a linear map of each modality's, item graphs K and the
    user-by-item block :math:`S_{UI}` of the user-item graph S.  ``fuse`` makes of the
    :math:`e_v` a side view and adds it to c.  Beside the ranking loss: half the squared L2 norm of
    the fused rows, and :func:`side_contrast`.

    Args:
        num_layers: L, layers on the user-item graph.
        num_item_layers: n, layers on the item graphs.
        contrast_weight: Weight of the alignment of the two views.
        temperature: :math:`\tau` of the alignment.
        reg: Weight of the L2 term.
        train_features: Train a copy of the raw features too, as the releases of MGCN and SMORE do;
            the item graphs keep the given ones.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.
    """

    can_be_sampled = True
    needs_modalities = True

    history = "user_history_sym"
    """Name of the operator that passes the views of items on to users [U, I]."""

    item_kind = "cos_sym"
    """Kind of the item graphs [I, I]."""

    gate: ModuleDict
    """A :class:`~mrdib_graph.nn.GatedIDs` for each view, made by the subclass (:func:`gates`)."""

    item_graphs: BaseTransform
    """What builds the item graphs, set by the subclass."""

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 2,
        num_item_layers: Count = 1,
        contrast_weight: NonNegative = 0.01,
        temperature: Positive = 0.2,
        reg: NonNegative = 1e-4,
        train_features: bool = False,
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(num_layers, **sizes)
        self.temperature = temperature
        self.loss_weights = {"reg": reg, "contrast": contrast_weight}
        self.item_conv = LightConv(num_item_layers, readout="last")
        self.project = self.projections(trained=train_features)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The user-item graph, its user-by-item block and the item graphs."""
        return (UserItemGraph("sym"), UserHistoryGraph("sym"), self.item_graphs)

    def features(self, data: HeteroData) -> Rows:
        """Features of every view [I, d]; a row that an item lacks has no edge in the item graph."""
        return {m: self.project[m](graph.item_features(data, m)[0]) for m in self.modalities}

    def item_matrix(self, data: HeteroData, view: str) -> SparseMatrix:
        """The item graph of a view [I, I]."""
        return graph.item_graph(data, view, self.item_kind)

    def item_operators(self, data: HeteroData) -> dict[str, SparseMatrix]:
        """Every item graph by the name of its operator."""
        return {f"item_{m}_{self.item_kind}": self.item_matrix(data, m) for m in self.modalities}

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the user-item graph; n along each item graph, from there one to users."""
        self.check_sampled()
        users, items, hops = graph.USER, graph.ITEM, self.item_conv.num_layers + 1
        history = Messages(self.history, graph.operator(data, self.history), users, items, 1)
        of_items = [Messages(*x, items, items, hops) for x in self.item_operators(data).items()]
        messages = [self.id_messages(data), history, *of_items]
        return Sampling(messages, self.modalities, all_features=True)

    def encode(self, data: HeteroData) -> Embeddings:
        """IDs by the user-item graph; gated IDs by the item graphs, and from there to users."""
        q = table_rows(self.item, data, graph.ITEM)
        user, item = self.propagate_ids(data, q)
        content: Rows = {
            v: self.item_conv(self.gate[v](q, f), self.item_matrix(data, v))
            for v, f in self.features(data).items()
        }
        history = graph.operator(data, self.history)
        of_users = {v: history @ rows for v, rows in content.items()}
        return {"user": {"id": user, **of_users}, "item": {"id": item, **content}}

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """L2 on the fused rows of the batch, and the alignment of side and behaviour view."""
        del data
        terms: Terms = {}
        if self.loss_weights.get("reg"):
            terms["reg"] = l2_half(step.user.out, step.item.out)
        if self.loss_weights["contrast"]:
            terms["contrast"] = side_contrast(step, self.temperature)
        return terms


def gates(views: Iterable[str], embedding_dim: int) -> ModuleDict:
    """Gates of IDs by content, one for each view."""
    return ModuleDict({v: GatedIDs(embedding_dim) for v in views})


def side_contrast(step: Step, temperature: float) -> Tensor:
    r"""Side against behaviour rows of the batch, from `"Multi-View Graph Convolutional Network for
    Multimedia Recommendation" <https://arxiv.org/abs/2308.03588>`_.

    .. math::
        \mathrm{NCE}(\mathrm{side}_i, c_i) + \mathrm{NCE}(\mathrm{side}_u, c_u)

    over the observed items and the users of the batch, repeats included.

    Args:
        step: A training step whose fused rows have the views ``'side'`` and ``'behavior'``.
        temperature: See :func:`~mrdib_graph.losses.info_nce`.

    Returns:
        Sum of the two, [] in nats.
    """
    losses: list[Tensor] = []
    for fused, nodes in ((step.item, step.batch.pos_item), (step.user, step.batch.user)):
        rows, count = distinct_rows(nodes)  # a repeated node has the same rows
        side, behavior = fused.views["side"][rows], fused.views["behavior"][rows]
        losses.append(info_nce(side, behavior, temperature, count=count))
    return torch.stack(losses).sum()
