"""GRCN: content decides how much each interaction counts when IDs are propagated."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Embedding, ModuleDict, init
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Sizes, Step
from mrdib_graph.nn import edge_dot, edge_softmax
from mrdib_graph.options import NonNegative, NonNegativeInt, checked
from mrdib_graph.sparse import SparseMatrix, spmm_values
from mrdib_graph.transforms import UserHistoryGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class GRCN(Backbone):
    r"""`"Graph-Refined Convolutional Network for Multimedia Recommendation with Implicit Feedback"
    <https://arxiv.org/abs/2111.02036>`_ (Wei, Wang, Nie, He and Chua, MM 2020).

    With features :math:`f_m = n(\phi(W_m X_m + b_m))`, preferences :math:`p_m` of norm 1,
    :math:`x_m = [p_m; f_m]`, N(i) the neighbours of node i in the user-item graph, and confidences
    q of each node in each modality,

    .. math::
        \alpha_{m,ij} &= \mathrm{softmax}_{j \in N(i)}\, x_{m,i}^\top x_{m,j}, \qquad
        e_{m,i} = x_{m,i} + \sum_{j \in N(i)} \alpha_{m,ij}\, x_{m,j} \\
        W_{ij} &= \max\big(0, \max_m \alpha_{m,ij}\, q_{j,m}\big), \qquad
        E = z + W z + W^2 z, \quad z = n(Z) \\
        s(u, i) &= [E \,|\, e_1 \,|\, \dots \,|\, e_M]_u^\top [E \,|\, e_1 \,|\, \dots \,|\, e_M]_i

    where n scales rows to norm 1 and :math:`\phi` is the leaky ReLU of slope 0.01.  Routing first
    moves a user's preferences towards the items that agree with them, ``num_routing`` times:

    .. math::
        p_{m,u} \leftarrow n\Big(p_{m,u} + \sum_{i \in N(u)}
        \mathrm{softmax}_i(p_{m,u}^\top f_{m,i})\, f_{m,i}\Big)

    Args:
        num_layers: Layers that propagate IDs.
        num_routing: Rounds of routing.
        routing: ``'clean'``, the paper's; ``'published'``: none, since in the releases the messages
            of the routing reach no user.
        reg: Weight of the mean squares of IDs and preferences, see :meth:`auxiliary_loss`.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Both tables are d (M + 1) wide.

    Raises:
        ConfigError: There is no modality, ``routing`` is unknown, or a number is negative.

    Note:
        An item that lacks a modality has a row of 0 in it, and its edges are left out of that
        modality's softmax.
    """

    needs_modalities = True

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 2,
        num_routing: NonNegativeInt = 3,
        routing: Literal["published", "clean"] = "clean",
        reg: NonNegative = 1e-3,
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(**sizes)
        self.num_layers = num_layers
        self.num_routing = num_routing if routing == "clean" else 0
        self.loss_weights = {"reg": reg}
        users, items, d = self.num_users, self.num_items, self.embedding_dim
        nodes = users + items
        self.user = _normal(users, d, nodes)
        self.item = _normal(items, d, nodes)
        self.preference = ModuleDict({m: _normal(users, d, users) for m in self.modalities})
        self.project = self.projections()
        for name, weight in self.project.named_parameters():
            if name.endswith("weight"):
                init.xavier_normal_(weight)
        self.user_confidence = _normal(users, len(self.modalities), nodes)
        self.item_confidence = _normal(items, len(self.modalities), nodes)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The pattern of the user-item graph, and that of the user's side for the routing."""
        routing = (UserHistoryGraph("sum"),) if self.num_routing else ()
        return (UserItemGraph("sym"), *routing)

    def encode(self, data: HeteroData) -> Embeddings:
        """Content rows by one attentive hop; ID rows over the edges that content trusts."""
        edges = graph.user_item_graph(data, "sym")  # its values are not read
        content: Rows = {}
        weights = []
        confidence = torch.cat([self.user_confidence.weight, self.item_confidence.weight])
        for m, trust in zip(self.modalities, confidence.unbind(1), strict=True):
            x, present = self._content(data, m)
            alpha = _attention(edges, x, x, present)
            content[m] = x + spmm_values(edges, alpha, x)
            weights.append(alpha * trust[edges.col])
        weight = torch.stack(weights).amax(0).relu()
        hop = total = F.normalize(torch.cat([self.user.weight, self.item.weight]), eps=1e-12)
        for _ in range(self.num_layers):
            hop = spmm_values(edges, weight, hop)
            total = total + hop
        rows = {"id": total, **content}
        sizes = [self.num_users, self.num_items]
        split = {name: torch.split(table, sizes) for name, table in rows.items()}
        return {
            "user": {name: user for name, (user, _) in split.items()},
            "item": {name: item for name, (_, item) in split.items()},
        }

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """ID row and modality rows side by side."""
        del node_type
        return Fused(torch.cat([h[name] for name in ("id", *self.modalities)], dim=1))

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """L2 on the IDs and preferences of the batch, and on all the first modality's preferences.

        Of the first modality the release adds the whole table to the rows of the batch.
        """
        del data
        if not self.loss_weights["reg"]:
            return {}
        users, items = step.batch.user, step.batch.items
        tables: list[Tensor] = [self.preference[m].weight for m in self.modalities]  # type: ignore[misc]
        rows = [self.user(users), self.item(items), tables[0], *(table[users] for table in tables)]
        return {"reg": torch.stack([row.square().mean() for row in rows]).sum()}

    def _content(self, data: HeteroData, m: str) -> tuple[Tensor, Tensor | None]:
        """Preferences and features [N, d], and which nodes have them where some item does not."""
        x, mask = graph.item_features(data, m)
        item = F.normalize(F.leaky_relu(self.project[m](x)), eps=1e-12)
        present = None
        if m in graph.item_masks(data, [m]):
            item = item * mask.unsqueeze(1)
            present = torch.cat([mask.new_ones(self.num_users), mask])
        table: Tensor = self.preference[m].weight  # type: ignore[assignment]
        user = F.normalize(table, eps=1e-12)
        for _ in range(self.num_routing):
            history = graph.user_history(data, "sum")
            alpha = _attention(history, user, item, None if present is None else mask)
            user = F.normalize(user + spmm_values(history, alpha, item), eps=1e-12)
        return torch.cat([user, item]), present


def _normal(rows: int, width: int, fan: int) -> Embedding:
    """A table with the Xavier normal entries of one of ``fan`` rows."""
    table = Embedding(rows, width)
    init.normal_(table.weight, std=math.sqrt(2 / (fan + width)))
    return table


def _attention(edges: SparseMatrix, x: Tensor, y: Tensor, present: Tensor | None) -> Tensor:
    """Softmax of inner products over each row's edges; edges of a row that is not present weigh 0.

    ``present`` is of the rows of y, and of those of x where the graph has both on both sides.
    """
    score = edge_dot(edges, x, y)
    if present is not None:
        keep = present[edges.col]
        if x is y:
            keep = keep & present[edges.row]
        score = score.masked_fill(~keep, float("-inf"))
    return edge_softmax(edges, score)
