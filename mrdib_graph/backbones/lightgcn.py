"""LightGCN: no modalities, the floor to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Step, embedding
from mrdib_graph.backbones.messages import user_item_messages
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import emb_norm, l2_half
from mrdib_graph.nn import LightConv
from mrdib_graph.subgraph import Sampling, table_rows
from mrdib_graph.transforms import UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class LightGCN(Backbone):
    r"""`"LightGCN: Simplifying and Powering Graph Convolution Network for Recommendation"
    <https://arxiv.org/abs/2002.02126>`_ (He et al., SIGIR 2020).

    .. math::
        E = \frac{1}{L+1} \sum_{l=0}^{L} S^l [P; Q], \qquad s(u, i) = E_u^\top E_i

    Args:
        num_users: U.
        num_items: I.
        in_channels: Accepted and not used: the model has no modalities.
        embedding_dim: d.
        num_layers: L.
        reg: Weight of the L2 term on the *layer-0* rows of the batch.
        reg_norm: ``'unsquared'`` norms (the field's toolbox, :func:`emb_norm`) or ``'squared'``
            (the authors, :func:`l2_half`).

    Shapes:
        Both tables are d wide.
    """

    def __init__(
        self,
        num_users: int,
        num_items: int,
        in_channels: Mapping[str, int],
        embedding_dim: int = 64,
        num_layers: int = 2,
        reg: float = 1e-4,
        reg_norm: Literal["unsquared", "squared"] = "unsquared",
    ) -> None:
        del in_channels
        super().__init__(num_users, num_items, {}, embedding_dim)
        if reg_norm not in ("unsquared", "squared"):
            raise ConfigError(f"reg_norm: got {reg_norm!r}, expected unsquared or squared")
        self.user = embedding(num_users, embedding_dim)
        self.item = embedding(num_items, embedding_dim)
        self.conv = LightConv(num_layers)
        self.reg_norm = reg_norm
        self.loss_weights = {"reg": reg}

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetrically normalised user-item graph."""
        return (UserItemGraph("sym"),)

    not_sampled = None

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the user-item graph."""
        matrix = graph.user_item_graph(data, "sym")
        return Sampling([user_item_messages(matrix, "sym", self.conv.num_layers)])

    def encode(self, data: HeteroData) -> Embeddings:
        """Propagate the ID tables."""
        user, item = table_rows(self.user, data, "user"), table_rows(self.item, data, "item")
        ids = self.conv(torch.cat([user, item]), graph.user_item_graph(data, "sym"))
        user, item = ids.split([user.size(0), item.size(0)])
        return {"user": {"id": user}, "item": {"id": item}}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The propagated ID rows."""
        del node_type
        return Fused(h["id"], {})

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """L2 on the layer-0 rows of the batch."""
        user = table_rows(self.user, data, "user", step.batch.user)
        items = torch.cat([step.batch.pos_item, step.batch.neg_item.flatten()])
        positive, negative = table_rows(self.item, data, "item", items).tensor_split([len(user)])
        rows: list[Tensor] = [user, positive, negative]
        return {"reg": emb_norm(*rows) if self.reg_norm == "unsquared" else l2_half(*rows)}
