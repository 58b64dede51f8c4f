"""LGMRec: a local graph per modality and a global hypergraph of item attributes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import ModuleDict, init
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.backbones.backbone import CONTEXT, Sizes, Step
from mrdib_graph.backbones.id_graph import IDGraph
from mrdib_graph.losses import emb_norm, info_nce
from mrdib_graph.nn import Hypergraph, LightConv
from mrdib_graph.options import Count, NonNegative, NonNegativeInt, Positive, Probability, checked
from mrdib_graph.transforms import UserHistoryGraph, UserItemGraph
from mrdib_graph.typing import Embeddings, Fused, Rows, Terms


class LGMRec(IDGraph):
    r"""`"LGMRec: Local and Global Graph Learning for Multimodal Recommendation"
    <https://arxiv.org/abs/2312.16400>`_ (Guo et al., AAAI 2024).

    With :math:`f_m = X_m W_m`, R the training interactions and n(.) the row norm set to 1,

    .. math::
        c &= \mathrm{LGC}_L(S, [P; Q]), \qquad
        e_m = S^n \left[D_U^{-1} R f_m; f_m\right] \\
        [g_m; y_m] &= \mathrm{Hypergraph}\left(c_I;\, X_m V_m,\, R X_m V_m\right) \\
        E &= c + \sum_m n(e_m) + \alpha\, n\Big(\sum_m [g_m; y_m]\Big), \qquad
        s(u, i) = E_u^\top E_i

    The loss adds, for each pair of modalities, a contrast of their hyper rows: each user and
    positive item of the batch, *summed*, is to be told by its row of the other modality among
    those of **all** users or items.  With one modality there is no such term.

    Args:
        num_layers: L, layers of the ID rows.
        num_modality_layers: n, layers of the modality rows, of which the last counts.
        num_hyper_layers: H, see :class:`~mrdib_graph.nn.Hypergraph`.
        num_hyperedges: h, per modality.
        dropout: Of the memberships, 1 minus the paper's keep rate.
        alpha: :math:`\alpha`, weight of the global part.
        hyper_temperature: Of the memberships' softmax.
        temperature: Of the contrast.
        contrast_weight: Weight of the contrast.
        reg: Weight of the un-squared L2 norm on the fused batch rows.
        **sizes: See :class:`~mrdib_graph.backbones.Backbone`.

    Shapes:
        Both tables are d wide.

    Note:
        The defaults are the published ones for Baby.  The release draws Gumbel noise in an
        evaluation too; here the memberships are then a plain softmax.  The hyper rows read the
        features past :math:`e_m`, so MRdIB, whose codes replace :math:`e_m`, leaves them alone.
    """

    needs_modalities = True

    @checked
    def __init__(
        self,
        num_layers: NonNegativeInt = 2,
        num_modality_layers: NonNegativeInt = 2,
        num_hyper_layers: Count = 1,
        num_hyperedges: Count = 4,
        dropout: Probability = 0.5,
        alpha: float = 0.3,
        hyper_temperature: Positive = 0.2,
        temperature: Positive = 0.2,
        contrast_weight: NonNegative = 1e-4,
        reg: NonNegative = 1e-6,
        **sizes: Unpack[Sizes],
    ) -> None:
        super().__init__(num_layers, **sizes)
        self.alpha = alpha
        self.temperature = temperature
        self.loss_weights = {"contrast": contrast_weight, "reg": reg}
        self.modality_conv = LightConv(num_modality_layers, "last")
        self.project, self.hyperedges = (
            _xavier_uniform(self.projections(width, bias=False))
            for width in (self.embedding_dim, num_hyperedges)
        )
        self.hypergraph = Hypergraph(num_hyper_layers, hyper_temperature, dropout)

    @property
    def graphs(self) -> Sequence[BaseTransform]:
        """The user-item graph and what gathers a history, as a mean and as a sum."""
        return (UserItemGraph("sym"), UserHistoryGraph("mean"), UserHistoryGraph("sum"))

    def encode(self, data: HeteroData) -> Embeddings:
        """Rows ``'id'`` by LightGCN, of each modality by its graph, ``'hyper_<m>'`` by hyperedges.

        The context holds the full hyper tables, ``'user_<m>'`` and ``'item_<m>'``.
        """
        sizes = [self.num_users, self.num_items]
        user_item = graph.user_item_graph(data, "sym")
        masks = graph.item_masks(data, self.modalities)
        users: Rows = {}
        items: Rows = {}
        context: Rows = {}
        users["id"], items["id"] = self.propagate_ids(data, self.item.weight)
        for m in self.modalities:
            x, _ = graph.item_features(data, m)
            content = self.project[m](x)
            content = torch.cat([graph.user_history(data, "mean") @ content, content])
            users[m], items[m] = self.modality_conv(content, user_item).split(sizes)
            if m in masks:  # its neighbours' content is not its own
                items[m] = items[m] * masks[m].unsqueeze(1)
            logits = self.hyperedges[m](x)
            history = graph.user_history(data, "sum") @ logits
            of_users, of_items = self.hypergraph(items["id"], logits, history, masks.get(m))
            users[f"hyper_{m}"] = context[f"user_{m}"] = of_users
            items[f"hyper_{m}"] = context[f"item_{m}"] = of_items
        return {graph.USER: users, graph.ITEM: items, CONTEXT: context}

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The ID rows, plus the modalities' unit rows, plus the unit row of the global part."""
        del node_type
        local = h["id"]
        for m in self.modalities:
            local = local + F.normalize(h[m], dim=-1, eps=1e-12)
        hyper = torch.stack([h[f"hyper_{m}"] for m in self.modalities]).sum(0)
        out = local + self.alpha * F.normalize(hyper, dim=-1, eps=1e-12)
        return Fused(out, {"local": local, "hyper": hyper})

    def auxiliary_loss(self, data: HeteroData, step: Step) -> Terms:
        """The contrast of hyper rows, and L2 on the fused rows of the batch."""
        terms: Terms = {}
        if self.loss_weights["contrast"] and len(self.modalities) > 1:
            masks = graph.item_masks(data, self.modalities)
            terms["contrast"] = self._contrast(step, masks)
        if self.loss_weights["reg"]:
            size = step.batch.pos_item.numel()
            terms["reg"] = emb_norm(step.user.out, step.item.out[:size], step.item.out[size:])
        return terms

    def _contrast(self, step: Step, masks: Rows) -> Tensor:
        """Sum over pairs, and over the batch's users and those positives that have both."""
        hyper = step.rows[CONTEXT]
        total = step.user.out.new_zeros(())
        for one, other in itertools.combinations(self.modalities, 2):
            a, b = hyper[f"user_{one}"], hyper[f"user_{other}"]
            total = total + self._told(a, b, step.batch.user, b)
            a, b = hyper[f"item_{one}"], hyper[f"item_{other}"]
            items = step.batch.pos_item
            for m in (one, other):
                items = items[masks[m][items]] if m in masks else items
            total = total + self._told(a, b, items, b[masks[other]] if other in masks else b)
        return total

    def _told(self, a: Tensor, b: Tensor, index: Tensor, candidates: Tensor) -> Tensor:
        """Summed contrast of rows of a with the same rows of b among candidates."""
        if not index.numel():
            return a.new_zeros(())
        rows, count = torch.unique(index, return_counts=True)
        mean = info_nce(a[rows], b[rows], self.temperature, candidates, count=count)
        return index.numel() * mean


def _xavier_uniform(maps: ModuleDict) -> ModuleDict:
    for weight in maps.parameters():
        init.xavier_uniform_(weight)
    return maps
