"""DualGNN: a GCN per modality, modality weights per user, smoothed over a user graph."""

from __future__ import annotations

from typing import Any

import torch

from mrdib_graph import graph
from mrdib_graph.backbones.preference_encoders import WEIGHTS, CompanionBackbone, weighted
from mrdib_graph.typing import Fused, Rows


class DualGNN(CompanionBackbone):
    r"""`"DualGNN: Dual Graph Neural Network for Multimedia Recommendation"
    <https://doi.org/10.1109/TMM.2021.3138298>`_ (Wang et al., IEEE TMM 2021).

    .. math::
        e_m &= \mathrm{GCN}_m(x_m), \qquad v_u = \sum_m w_{um}\, e_{m,u} \\
        s(u, i) &= (v + G v)_u^\top \sum_m e_{m,i}

    with :class:`~mrdib_graph.nn.PreferenceGCN` for each modality, free weights w that start near
    1 / M, and G the softmax-weighted graph of users who share items
    (:class:`~mrdib_graph.nn.UserGraphConv`).

    Args:
        inplace_quirk: Whether the first modality's user rows are those of the sum over modalities,
            :math:`v = w_1 \sum_m e_m + \sum_{m > 1} w_m e_m`, as in the field's toolbox, which
            adds in place; :math:`\sum_m w_m e_m` otherwise, as in the paper.
        reg: Weight of the mean squares of the batch users' preferences and of w.
        **options: See :class:`~mrdib_graph.backbones.preference_encoders.CompanionBackbone`.

    Shapes:
        Both tables are d wide.

    Note:
        The release's weights of items take part in the regulariser only, and its edge-dropped
        graphs in nothing: both are left out.  An item that lacks a modality starts and ends at 0 in
        its GCN.
    """

    def __init__(self, inplace_quirk: bool = True, reg: float = 1e-2, **options: Any) -> None:
        super().__init__(reg=reg, **options)
        self.inplace_quirk = inplace_quirk

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """Items: the sum over modalities.  Users: the weighted sum, before the user graph."""
        if node_type == graph.USER:
            parts = weighted(h, self.modalities)
            if self.inplace_quirk:
                others = [h[WEIGHTS][:, :1] * h[m] for m in self.modalities[1:]]
                parts = [*parts, *others]
        else:
            parts = [h[m] for m in self.modalities]
        return Fused(torch.stack(parts).sum(0))
