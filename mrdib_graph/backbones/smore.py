"""SMORE: MGCN with filters in the frequency domain and a third view that fuses the modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn import Dropout, Linear, ModuleDict, Sequential, Tanh
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.backbones.multi_view import MultiView, gates
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn import SpectralFilter
from mrdib_graph.options import Count, NonNegativeInt, Probability, checked
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.transforms import MaxItemGraph
from mrdib_graph.typing import Fused, Rows

FUSED = "fused"
"""Name of the fused view's rows: not a modality, so no code of MRdIB stands for it."""


class SMORE(MultiView):
    r"""`"Spectrum-based Modality Representation Fusion Graph Convolutional Network for Multimodal
    Recommendation" <https://arxiv.org/abs/2412.14978>`_ (Ong and Khong, WSDM 2025), any number of
    modalities.

    .. math::
        f_m &= X_m W_m + b_m, \qquad
        \tilde f_m = \mathcal{F}^{-1}(c_m \odot \mathcal{F} f_m), \qquad
        \tilde f_\ast = \mathcal{F}^{-1}\Big(c_\ast \odot \prod_m \mathcal{F} f_m\Big) \\
        y_v &= Q \odot \sigma(G_v \tilde f_v + g_v), \qquad
        e_v = \begin{bmatrix} S_{UI} K_v^n y_v \\ K_v^n y_v \end{bmatrix}
        \quad \text{for } v \in \{1 .. M, \ast\}, \qquad c = \mathrm{LGC}_L(S, [P; Q]) \\
        \mathrm{side} &= \frac{1}{M + 1} \Big(\sigma(P_\ast c + p_\ast) \odot e_\ast
        + \sum_m \sigma(P_m c + p_m) \odot \mathrm{softmax}(B_m \tanh(A_m e_\ast + a_m)) \odot e_m
        \Big) \\
        s(u, i) &= (c_u + \mathrm{side}_u)^\top (c_i + \mathrm{side}_i)

    with the softmax over the d channels, :math:`K_m` the raw ``cos_sym`` kNN graph, :math:`K_\ast`
    from :class:`~mrdib_graph.transforms.MaxItemGraph` and the filters from
    :class:`~mrdib_graph.nn.SpectralFilter`.  The loss terms are those of
    :class:`~mrdib_graph.backbones.multi_view.MultiView`.

    Args:
        k: Neighbours per item, itself included; one number or one for each modality.
        num_layers: L, layers on the user-item graph.
        dropout: Probability of dropping a channel of the gates :math:`\sigma(P_v c + p_v)`, in
            training only.
        **options: See :class:`~mrdib_graph.backbones.multi_view.MultiView`.

    Shapes:
        Both tables are d wide.

    Note:
        An item that lacks a modality has a product over the others.
    """

    item_graphs: MaxItemGraph

    @checked
    def __init__(
        self,
        k: Count | Mapping[str, Count] = 10,
        num_layers: NonNegativeInt = 3,
        dropout: Probability = 0.0,
        **options: Any,
    ) -> None:
        super().__init__(num_layers, **options)
        if FUSED in self.modalities:
            raise ConfigError(f"smore: the modality '{FUSED}' has the fused view's name; rename it")
        self.item_graphs = MaxItemGraph(k, "cos_sym", tuple(self.modalities))
        d, views = self.embedding_dim, [*self.modalities, FUSED]
        self.filter = ModuleDict({v: SpectralFilter(d) for v in views})
        self.gate = gates(views, d)
        self.query = ModuleDict(
            {m: Sequential(Linear(d, d), Tanh(), Linear(d, d, bias=False)) for m in self.modalities}
        )
        self.preference = ModuleDict({v: Linear(d, d) for v in views})
        self.dropout = Dropout(dropout)

    def features(self, data: HeteroData) -> Rows:
        """Filtered features of every modality, and of their product."""
        masks = [graph.item_features(data, m)[1] for m in self.modalities]
        f = super().features(data)
        filtered: Rows = {m: self.filter[m]([f_m]) for m, f_m in f.items()}
        some_lack = not all(bool(mask.all()) for mask in masks)
        filtered[FUSED] = self.filter[FUSED](list(f.values()), masks if some_lack else None)
        return filtered

    def item_matrix(self, data: HeteroData, view: str) -> SparseMatrix:
        """The kNN graph of a modality, or their maximum."""
        return self.item_graphs.matrix(data) if view == FUSED else super().item_matrix(data, view)

    def item_operators(self, data: HeteroData) -> dict[str, SparseMatrix]:
        """The kNN graphs and their maximum."""
        most = {self.item_graphs.name(data): self.item_graphs.matrix(data)}
        return super().item_operators(data) | most

    def fuse(self, h: Rows, node_type: str) -> Fused:
        """The behaviour view ``'id'`` plus the mean of the gated views."""
        del node_type
        behavior, fused = h["id"], h[FUSED]
        views = {m: self.query[m](fused).softmax(-1) * h[m] for m in self.modalities}
        views[FUSED] = fused
        gated = [
            self.dropout(self.preference[v](behavior).sigmoid()) * rows for v, rows in views.items()
        ]
        side = torch.stack(gated).mean(0)
        return Fused(behavior + side, {"side": side, "behavior": behavior})
