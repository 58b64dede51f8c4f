"""MENTOR: DRAGON without a user graph, with self-supervision on several levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import ModuleList, Parameter, init
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import CONTEXT, Step
from mrdib_graph.backbones.item_graph_sum import ItemGraphSum
from mrdib_graph.backbones.preference_encoders import (
    WEIGHTS,
    PreferenceBackbone,
    PreferenceEncoders,
)
from mrdib_graph.losses import info_nce
from mrdib_graph.nn import PreferenceGCN
from mrdib_graph.options import Count, NonNegative, NonNegativeInt, Positive, checked
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class MENTOR(PreferenceBackbone):
    r"""`"MENTOR: Multi-level Self-supervised Learning for Multimodal Recommendation"
    <https://arxiv.org/abs/2402.19407>`_ (Xu et al., AAAI 2025).

    .. math::
        v_u = [w_{u1} e_{1,u} | \dots | w_{uM} e_{M,u}], \quad
        q_i = [e_{1,i} | \dots | e_{M,i}], \qquad
        s(u, i) = v_u^\top (q + K^n q)_i

    with the encoders and weights w of :class:`DualGNN` and FREEDOM's frozen item graph K.  Training
    has more tables of that form: guides of each modality and of a free ID feature, which repeat one
    embedding M times, and two views from noisy encoders of their own.  The loss adds

    * alignment: :math:`\sum |\Delta \mathrm{var}| + |\Delta \mathrm{mean}|` over all pairs of the
      scored table and the guides, where mean and variance are those of all values of a table;
    * contrast: each user, and each item, is to be told by its row in the other noisy view among
      **all** users or items (:func:`~mrdib_graph.losses.info_nce`).

    Args:
        num_layers: Hops on the user-item graph.
        num_item_layers: n.
        k: Neighbours per item, itself included.
        modality_weights: :math:`\beta`, one for each modality, made to sum to 1; equal for None.
        align_weight: Weight of the alignment; 0 makes no ID feature.
        contrast_weight: Weight of the contrast; 0 makes no noisy encoders.
        contrast_rows: n, so many users and items, drawn anew in each step, are to be told among all
            instead of every one: an unbiased estimate of the contrast, of cost n (U + I) instead of
            :math:`U^2 + I^2`.  None takes every one, as the paper does.
        temperature: Of the contrast.
        noise: Strength of the noise.
        **options: See :class:`~mrdib_graph.backbones.preference_encoders.PreferenceBackbone`.

    Shapes:
        Both tables are d M wide.

    Note:
        Left out: the release's mask term, which has
        no gradient, and its unread user graph.  The contrast trains almost only the noisy encoders.
    """

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 2,
        num_item_layers: int = 1,
        k: int = 10,
        modality_weights: Mapping[str, float] | None = None,
        align_weight: NonNegative = 0.1,
        contrast_weight: NonNegative = 1e-4,
        temperature: Positive = 0.2,
        noise: NonNegative = 0.1,
        contrast_rows: Count | None = None,
        **options: Any,
    ) -> None:
        super().__init__(num_layers, **options)
        self.item_graph = ItemGraphSum(self.modalities, modality_weights, k, num_item_layers)
        self.temperature = temperature
        self.contrast_rows = contrast_rows
        users, d = self.num_users, self.embedding_dim
        self.noisy = ModuleList(
            PreferenceEncoders(users, self.in_channels, d, num_layers, noise)
            for _ in range(2 if contrast_weight else 0)
        )
        self.id_feature: Parameter | None = None
        self.id_gcn: PreferenceGCN | None = None
        if align_weight:
            self.id_feature = Parameter(torch.empty(self.num_items, d))
            init.xavier_normal_(self.id_feature)
            self.id_gcn = PreferenceGCN(users, d, d, num_layers=num_layers)
        own = {"align": align_weight, "contrast": contrast_weight}
        self.loss_weights = {**self.loss_weights, **own}

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The symmetric user-item graph and the item kNN graphs."""
        return (*super().graphs, *self.item_graph.graphs)

    def encode(self, data: HeteroData) -> Embeddings:
        """Users and items of every modality and the users' weights.

        In training the context holds the noisy views, ``'user_0'``, ``'item_0'``, ``'user_1'``,
        ``'item_1'``, and ``'guides'`` [M + 1, 2], sums and sums of squares of the guide tables.
        """
        rows = super().encode(data)
        users, items = rows[graph.USER], rows[graph.ITEM]
        if not self.training:
            return rows
        context: Rows = {}
        for number, encoders in enumerate(self.noisy):
            of_users, of_items = encoders(data)
            view = {graph.USER: {**of_users, WEIGHTS: self.weights}, graph.ITEM: of_items}
            for t, h in view.items():
                context[f"{t}_{number}"] = self.propagate(self.fuse(h, t), t, data).out
        if self.id_gcn is not None:
            ids = self.id_gcn(self.id_feature, None, graph.user_item_graph(data, "sym"))
            tables = [ids, *((users[m], items[m]) for m in self.modalities)]
            context["guides"] = torch.stack([self._guide(data, *each) for each in tables])
        return {**rows, CONTEXT: context}

    def _guide(self, data: HeteroData, user: Tensor, item: Tensor) -> Tensor:
        """Sum and sum of squares [2] of a guide, without the M copies of its embedding."""
        item_sums = len(self.modalities) * _sums(item + self.item_graph(data, item))
        sums = (user.sum(1) * self.weights.sum(1)).sum()
        squares = (user.square().sum(1) * self.weights.square().sum(1)).sum()
        return item_sums + torch.stack([sums, squares])

    def propagate(self, fused: Fused, node_type: str, data: HeteroData) -> Fused:
        """Items add their neighbours; users stay.

        In training the context holds ``'sums'`` [2], of all values of the table and their squares.
        """
        out = fused.out
        if node_type == graph.ITEM:
            out = out + self.item_graph(data, out)
        if not (self.training and self.loss_weights["align"]):
            return fused._replace(out=out)
        return Fused(out, fused.views, {"sums": _sums(out)})

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """Regulariser, alignment and contrast, each where its weight is not 0."""
        terms = super().auxiliary_loss(data, step)
        context = step.rows.get(CONTEXT, {})
        if "guides" in context:
            scored = step.user.context["sums"] + step.item.context["sums"]
            terms["align"] = self._align(torch.cat([scored.unsqueeze(0), context["guides"]]))
        if self.noisy and context:
            pairs = [(context[f"{t}_0"], context[f"{t}_1"]) for t in (graph.USER, graph.ITEM)]
            losses = [self._contrast(one, other) for one, other in pairs]
            terms["contrast"] = torch.stack(losses).sum()
        return terms

    def _contrast(self, one: Tensor, other: Tensor) -> Tensor:
        """Mean over the rows of one view, or some of them, each told among all of the other."""
        if self.contrast_rows is None or self.contrast_rows >= one.size(0):
            return info_nce(one, other, self.temperature)
        some = torch.randperm(one.size(0), device=one.device)[: self.contrast_rows]
        return info_nce(one[some], other[some], self.temperature, candidates=other)

    def _align(self, sums: Tensor) -> Tensor:
        """Differences of means and variances over all pairs of tables: sums [n, 2] -> []."""
        count = (self.num_users + self.num_items) * self.embedding_dim * len(self.modalities)
        mean = sums[:, 0] / count
        variance = (sums[:, 1] - count * mean.square()) / (count - 1)
        return _pair_differences(mean) + _pair_differences(variance)


def _pair_differences(values: Tensor) -> Tensor:
    """Sum of absolute differences over all pairs: [n] -> []."""
    return (values.unsqueeze(1) - values).abs().sum() / 2


def _sums(table: Tensor) -> Tensor:
    """Sum and sum of squares of all values [2]."""
    return torch.stack([table.sum(), table.square().sum()])
