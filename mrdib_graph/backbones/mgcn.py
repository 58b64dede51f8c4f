"""MGCN: item IDs gated by content, a view for each modality, and attention over the views."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import Linear, ModuleDict

from mrdib_graph.backbones.multi_view import MultiView, gates
from mrdib_graph.nn import AttentionFuser
from mrdib_graph.options import Count, checked
from mrdib_graph.transforms import ItemKNNGraph
from mrdib_graph.typing import Fused, Rows


class MGCN(MultiView):
    r"""`"Multi-View Graph Convolutional Network for Multimedia Recommendation"
    <https://arxiv.org/abs/2308.03588>`_ (Yu et al., MM 2023), any number of modalities.

    .. math::
        y_m &= Q \odot \sigma(G_m (X_m W_m + b_m) + g_m), \qquad
        e_m = \begin{bmatrix} S_{UI} K_m^n y_m \\ K_m^n y_m \end{bmatrix}, \qquad
        c = \mathrm{LGC}_L(S, [P; Q]) \\
        \bar e &= \sum_m t_m e_m, \qquad q_m = \sigma(P_m c + p_m) \odot (e_m - \bar e), \qquad
        \mathrm{side} = \frac{\bar e + \sum_m q_m}{M + 1} \\
        s(u, i) &= (c_u + \mathrm{side}_u)^\top (c_i + \mathrm{side}_i)

    with t from :class:`~mrdib_graph.nn.AttentionFuser`, :math:`K_m` the raw ``cos_sym`` kNN graph
    and :math:`S_{UI}` the user-by-item block of the symmetric user-item graph S.  The loss terms
    are those of :class:`~mrdib_graph.backbones.multi_view.MultiView`.

    Args:
        k: Neighbours per item, itself included; one number or one for each modality.
        side_scale: ``'mean'`` (the release: all of the side view over M + 1) or ``'paper'``
            (:math:`\bar e + \tfrac1M \sum_m q_m`).
        **options: See :class:`~mrdib_graph.backbones.multi_view.MultiView`.

    Shapes:
        Both tables are d wide.

    Note:
        The default of ``side_scale`` is the release's, which made the published numbers; that of
        ``train_features`` is not.  A modality without rows at a node (an item that lacks it, a user
        of such items only) takes no attention there and has no :math:`q_m`.
    """

    @checked
    def __init__(
        self,
        k: Count | Mapping[str, Count] = 10,
        side_scale: Literal["mean", "paper"] = "mean",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.item_graphs = ItemKNNGraph(k, "cos_sym", tuple(self.modalities))
        self.side_scale = side_scale
        d = self.embedding_dim
        self.gate = gates(self.modalities, d)
        self.attention = AttentionFuser(d)
        self.preference = ModuleDict({m: Linear(d, d) for m in self.modalities})

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The behaviour view ``'id'`` plus the side view that attention makes of the modalities."""
        del node_type
        behavior = h["id"]
        e = torch.stack([h[m] for m in self.modalities], dim=1)
        present = (e.detach() != 0).any(-1).to(e.dtype)  # [n, M]
        common, weights = self.attention(e)
        # zero rows add nothing to the sum, so this is the softmax over the others
        common = common / (weights * present).sum(1, keepdim=True).clamp(min=1e-12)
        own: list[Tensor] = [
            self.preference[m](behavior).sigmoid() * (e[:, j] - common) * present[:, j : j + 1]
            for j, m in enumerate(self.modalities)
        ]
        total = torch.stack(own).sum(0)
        if self.side_scale == "mean":
            side = (common + total) / (len(own) + 1)
        else:
            side = common + total / len(own)
        return Fused(behavior + side, {"side": side, "behavior": behavior})
