"""BM3: no negatives; each row predicts a dropped-out view of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Unpack

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Linear, ModuleDict, init
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import CONTEXT, Sizes, Step, take_rows
from mrdib_graph.backbones.id_graph import IDGraph
from mrdib_graph.backbones.modality_users import ModalityUsers, UserSide
from mrdib_graph.losses import cosine_distance, emb_norm
from mrdib_graph.nn import Projection
from mrdib_graph.options import NonNegative, NonNegativeInt, Probability, checked
from mrdib_graph.subgraph import Sampling, table_rows
from mrdib_graph.typing import Embeddings, Fused, Placement, Rows, Terms


class BM3(IDGraph):
    r"""`"Bootstrap Latent Representations for Multi-Modal Recommendation"
    <https://arxiv.org/abs/2207.05969>`_ (Zhou et al., WWW 2023).

    .. math::
        [E_U; E_I] = \mathrm{LGC}_L(S, [P; Q]), \qquad a_u = E_u, \qquad a_i = E_i + Q_i, \qquad
        f_{m,i} = W_m x_{m,i} + b_m, \qquad s(u, i) = F(a_u)^\top F(a_i)

    with a linear predictor F.  :math:`\bar x` is x with dropout and without gradient, and
    :math:`C(x, y) = 1 - \cos(x, y)`.  In place of a ranking loss, means over the observed pairs:

    .. math::
        C(F(a_u), \bar a_i) + C(F(a_i), \bar a_u)
        + \mathrm{reg} \frac{\lVert a_U \rVert_F + \lVert a_I \rVert_F}{I}
        + c \sum_m \big(C(F(f_{m,i}), \bar a_i) + C(F(f_{m,i}), \bar f_{m,i})\big)

    Args:
        num_layers: L.
        dropout: Share of a target's values that are set to zero, in training only.
        reg: Weight of the un-squared norms of the full tables.
        alignment_weight: c, the weight of the modalities' terms.
        train_features: Train the raw features too, as the release does.
        user_side: See :class:`~mrdib_graph.backbones.modality_users.ModalityUsers`; ``'mean'``
            projects all items at every step, the others those of the batch.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Both tables are d wide.

    Note:
        The features reach the loss and never the score, so MRdIB can only regularise
        (``placement='auxiliary'``).  The ranking loss has weight 0 and is logged, and sampled
        items enter none of the terms above.
    """

    can_be_sampled = True
    needs_modalities = True
    placements: ClassVar[tuple[Placement, ...]] = ("auxiliary",)

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 1,
        dropout: Probability = 0.5,
        reg: NonNegative = 0.1,
        alignment_weight: NonNegative = 2.0,
        train_features: bool = False,
        user_side: UserSide = "fused",
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(num_layers, **sizes)
        self.dropout = dropout
        self.loss_weights = {
            "ranking": 0.0,
            "bootstrap": 1.0,
            "reg": reg,
            "alignment": alignment_weight,
        }
        self.project = ModuleDict()
        for m, width in self.in_channels.items():
            rows = self.num_items if train_features else 0
            projection = Projection(width, self.embedding_dim, trained_rows=rows)
            init.xavier_normal_(projection.linear.weight)
            self.project[m] = projection
        self.predictor = Linear(self.embedding_dim, self.embedding_dim)
        init.xavier_normal_(self.predictor.weight)
        self.modality_users = ModalityUsers(
            user_side, self.num_users, self.modalities, self.embedding_dim
        )

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetrically normalised user-item graph."""
        return (*super().graphs, *self.modality_users.graphs)

    @property
    def not_sampled(self) -> str | None:
        """It can be without the norms of the full tables, unless raw features are trained."""
        if self.loss_weights["reg"]:
            return "its regulariser is the norm of the full tables (unless reg=0)"
        return super().not_sampled

    def sampling(self, data: HeteroData) -> Sampling:
        """L hops along the user-item graph."""
        self.check_sampled()
        means = self.modality_users.messages(data)
        messages = [self.id_messages(data), *means]
        return Sampling(messages, self.modalities, all_features=bool(means))

    def encode(self, data: HeteroData) -> Embeddings:
        """IDs by the user-item graph, features by their maps."""
        ids = self._ids(data)
        content = self._content(data, None)
        ids["user"] |= self.modality_users(data, content)
        ids["item"] |= content
        return ids

    def encode_rows(self, data: HeteroData, users: Tensor, items: Tensor) -> Embeddings:
        """The rows of a batch, projecting no other item where no user row needs one."""
        if self.modality_users.kind == "mean":
            return take_rows(self.encode(data), users, items)
        ids = self._ids(data)
        ids["user"] |= self.modality_users(data, {})
        rows = take_rows(ids, users, items)
        rows["item"] |= self._content(data, items)
        return rows

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The prediction from the ID row, with the ID row as view ``'target'``."""
        del node_type
        return Fused(self.predictor(h["id"]), {"target": h["id"]})

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """Cosine losses of the observed pairs, and the norms of the full tables."""
        size = step.batch.user.numel()
        item_of = step.item_of[:size]
        # one draw for each distinct node, shared by its pairs in the batch
        user = self._target(step.rows["user"]["id"])[step.user_of]
        item = self._target(step.rows["item"]["id"])[item_of]
        terms = {
            "bootstrap": cosine_distance(step.user.out, item)
            + cosine_distance(step.item.out[:size], user)
        }
        if self.loss_weights["reg"]:
            terms["reg"] = step.rows[CONTEXT]["norm"]
        if not self.loss_weights["alignment"]:
            return terms
        parts = []
        for m in self.modalities:
            rows = step.rows["item"][m]
            online, target = (
                self.predictor(rows.index_select(0, item_of)),
                self._target(rows)[item_of],
            )
            cosines = F.cosine_similarity(online, item) + F.cosine_similarity(online, target)
            present = graph.item_features(data, m)[1][step.batch.pos_item]
            parts.append(((2 - cosines) * present).sum() / present.sum().clamp(min=1))
        return {**terms, "alignment": torch.stack(parts).sum()}

    def _target(self, rows: Tensor) -> Tensor:
        return F.dropout(rows.detach(), self.dropout, self.training)

    def _ids(self, data: HeteroData) -> Embeddings:
        """Propagated ID tables, and their norms for the loss."""
        q = table_rows(self.item, data, "item")
        user, item = self.propagate_ids(data, q)
        item = item + q
        rows: Embeddings = {"user": {"id": user}, "item": {"id": item}}
        if self.loss_weights["reg"]:
            rows[CONTEXT] = {"norm": emb_norm(user, item)}
        return rows

    def _content(self, data: HeteroData, items: Tensor | None) -> Rows:
        """Projected features, of all items or of some; zeros where one is missing."""
        rows = {}
        for m in self.modalities:
            x, mask = graph.item_features(data, m)
            mask = mask if items is None else mask[items]
            rows[m] = self.project[m](x, items) * mask.unsqueeze(1)
        return rows
