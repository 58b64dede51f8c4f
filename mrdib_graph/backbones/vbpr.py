"""VBPR: matrix factorisation plus a linear map of the features."""

from __future__ import annotations

import math
from typing import Literal, Unpack

import torch
from torch import Tensor
from torch.nn import Embedding, Parameter, init
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import Backbone, Sizes, Step, embedding
from mrdib_graph.errors import ConfigError
from mrdib_graph.losses import emb_norm, kl_to_standard_normal
from mrdib_graph.nn import ProductOfExperts
from mrdib_graph.options import NonNegative, checked
from mrdib_graph.subgraph import Sampling, table_rows
from mrdib_graph.typing import Embeddings, Fused, GaussianCode, Rows, Terms


class VBPR(Backbone):
    r"""`"VBPR: Visual Bayesian Personalized Ranking from Implicit Feedback"
    <https://arxiv.org/abs/1510.01784>`_ (He and McAuley, AAAI 2016), any number of modalities.

    .. math::
        s(u, i) = \gamma_u^\top \gamma_i + \theta_u^\top \sum_m e_{m,i}, \qquad
        e_{m,i} = W_m x_{m,i} + b / M

    and with ``user_side='vector'``, :math:`s(u, i) = \gamma_u^\top \gamma_i + \sum_m
    \theta_{m,u}^\top e_{m,i}`: one user vector per modality.

    With ``fusion='poe'`` the sum over the modalities is the mean of a :class:`ProductOfExperts`,
    in which a missing modality is no expert.

    Args:
        user_side: ``'shared'``, one visual factor for all modalities (the paper), or ``'vector'``.
        reg: Weight of the un-squared L2 norm on the fused batch rows (the field's toolbox).
        fusion: ``'sum'``, or ``'poe'``, which needs the shared factor.
        alpha_poe: Weight of the divergence of the items' fused codes from the prior, the loss term
            ``poe_kl``; codes are drawn in training where it is above 0, and are the mean at 0.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Tables are 2 d wide, d (M + 1) with ``user_side='vector'``.

    Note:
        The paper's global, user, item and visual biases are left out, as the toolbox behind the
        published tables leaves them out; the modalities' maps share one bias, b.
    """

    can_be_sampled = True

    @checked
    def __init__(
        self,
        user_side: Literal["shared", "vector"] = "shared",
        reg: NonNegative = 0.0,
        fusion: Literal["sum", "poe"] = "sum",
        alpha_poe: NonNegative = 0.0,
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(**sizes)
        if fusion == "poe" and user_side == "vector":
            raise ConfigError(
                "fusion: 'poe' makes one code of all modalities, which one user vector per "
                "modality cannot score; set user_side='shared'"
            )
        if alpha_poe and fusion == "sum":
            raise ConfigError(f"alpha_poe: got {alpha_poe}, expected 0, or more with fusion='poe'")
        self.user_side = user_side
        self.draws_codes = alpha_poe > 0
        self.loss_weights = {"reg": reg, "poe_kl": alpha_poe}
        d, parts = self.embedding_dim, len(self.modalities) if user_side == "vector" else 1
        self.user: Embedding = embedding(self.num_users, d * (1 + parts))
        self.item = embedding(self.num_items, d)
        self.bias = Parameter(torch.zeros(d))
        self.project = self.projections(bias=False)
        self.experts = (
            ProductOfExperts(self.modalities, d) if fusion == "poe" and self.modalities else None
        )
        # Xavier normal of the one concatenated map
        std = math.sqrt(2 / (sum(self.in_channels.values()) + d))
        for weight in self.project.parameters():
            init.normal_(weight, std=std)

    def sampling(self, data: HeteroData) -> Sampling:
        """No messages: a subgraph is the nodes of the batch."""
        del data
        return Sampling(modalities=self.modalities)

    def encode(self, data: HeteroData) -> Embeddings:
        """All rows."""
        return self._encode(data, None, None)

    def encode_rows(self, data: HeteroData, users: Tensor, items: Tensor) -> Embeddings:
        """The rows of a batch, projecting no other item."""
        return self._encode(data, users, items)

    def _encode(self, data: HeteroData, users: Tensor | None, items: Tensor | None) -> Embeddings:
        item = table_rows(self.item, data, "item", items)
        return {
            "user": self._user_rows(table_rows(self.user, data, "user", users)),
            "item": {"id": item, **self._content(data, items)},
        }

    def _user_rows(self, rows: Tensor) -> Rows:
        names = ["theta"] if self.user_side == "shared" else self.modalities
        parts = torch.split(rows, self.embedding_dim, dim=1)
        return dict(zip(["id", *names], parts, strict=True))

    def _content(self, data: HeteroData, items: Tensor | None) -> Rows:
        share = self.bias / max(1, len(self.modalities))
        rows = {}
        for modality in self.modalities:
            x, mask = graph.item_features(data, modality)
            mask = mask if items is None else mask[items]
            rows[modality] = (self.project[modality](x, items) + share) * mask.unsqueeze(1)
        return rows

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The ID part beside the content part."""
        if self.user_side == "vector":
            return Fused(torch.cat([h[name] for name in ["id", *self.modalities]], dim=1))
        if node_type == graph.USER:
            return Fused(torch.cat([h["id"], h["theta"]], dim=1))
        if self.experts is None:
            content = sum((h[m] for m in self.modalities), torch.zeros_like(h["id"]))
            return Fused(torch.cat([h["id"], content], dim=1), {"content": content})
        code = self.experts(h)
        assert code.log_var is not None
        content = code.sample if self.draws_codes else code.mean
        views = {"content": content, "mean": code.mean, "log_var": code.log_var}
        return Fused(torch.cat([h["id"], content], dim=1), views)

    def modality_user(self, modality: str, user: Rows) -> Tensor:
        """The visual factor, or the user's vector of the modality."""
        return user["theta" if self.user_side == "shared" else modality]

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """L2 on the fused rows of the batch, so the features are regularised through the map.

        And the fused codes' divergence from the prior, a mean over the item rows of the batch.
        """
        del data
        terms: Terms = {}
        if self.loss_weights["reg"]:
            size = step.batch.pos_item.numel()
            terms["reg"] = emb_norm(step.user.out, step.item.out[:size], step.item.out[size:])
        if self.draws_codes:
            mean, log_var = step.item.views["mean"], step.item.views["log_var"]
            terms["poe_kl"] = kl_to_standard_normal(GaussianCode(mean, log_var, mean)).mean()
        return terms
