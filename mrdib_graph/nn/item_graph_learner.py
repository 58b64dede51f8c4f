"""LATTICE's learned item graph in its exact sparse form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import Module

from mrdib_graph.nn.knn import edge_cosine, inverse_sqrt
from mrdib_graph.nn.neighbor_search import Search, check_search, neighbor_search
from mrdib_graph.options import Count, checked


class ItemGraphLearner(Module):
    r"""Item graphs learned from projected features, from `"Mining Latent Structures for Multimedia
    Recommendation" <https://arxiv.org/abs/2104.09036>`_.

    With :math:`L_m` the k largest cosines of each row of :math:`\tilde x_m` (the row itself
    included) and modality weights w,

    .. math::
        L = \sum_m w_m L_m, \quad r_i = \sum_j L_{ij}, \quad
        L'_m = D_r^{-1/2} L_m D_r^{-1/2}

    so that :math:`\sum_m w_m L'_m` is the normalised joint graph.  The neighbours are found by a
    blocked search without gradient, beyond 100,000 items approximate
    (:func:`mrdib_graph.nn.neighbor_search`); only the I k kept cosines carry one, which equals the
    dense form in values and gradients and never forms an [I, I] tensor.

    Args:
        k: Neighbours kept per item, itself included.
        norm: ``'joint'`` normalises by the row sums of the weighted sum of graphs, as the authors'
            release does; ``'per_modality'`` each graph by its own, as the paper writes.
        search: ``'auto'``, ``'exact'`` or ``'faiss'``.

    Raises:
        MissingExtraError: FAISS is asked for and not installed.
    """

    @checked
    def __init__(
        self,
        k: Count = 10,
        norm: Literal["joint", "per_modality"] = "joint",
        search: Search = "auto",
    ) -> None:
        super().__init__()
        check_search(search)
        self.k = k
        self.norm = norm
        self.how = search

    def search(self, x: Sequence[Tensor], masks: Sequence[Tensor]) -> Tensor:
        """Neighbours of each modality: M times [I, d] -> [M, I, k]; no gradient."""
        name = "learned item graph"
        return torch.stack(
            [
                neighbor_search(x_m, self.k, m, self.how, name).index
                for x_m, m in zip(x, masks, strict=True)
            ]
        )

    def forward(
        self, x: Sequence[Tensor], index: Tensor, weight: Tensor, masks: Sequence[Tensor]
    ) -> Tensor:
        """Normalised values of every kept edge, differentiable in x and in the weights.

        Shapes:
            ``x`` M times [I, d], ``index`` [M, I, k], ``weight`` [M], ``masks`` M times [I] ->
            [M, I, k].
        """
        values = []
        for x_m, index_m, mask in zip(x, index, masks, strict=True):
            both = mask.unsqueeze(1) & mask[index_m]
            values.append(edge_cosine(x_m, index_m) * both)
        stacked = torch.stack(values)
        if self.norm == "joint":
            degree = (weight.view(-1, 1, 1) * stacked).sum((0, 2)).expand(len(values), -1)
        else:
            degree = stacked.sum(2)
        scale = inverse_sqrt(degree)  # [M, I]
        columns = torch.stack([s[i] for s, i in zip(scale, index, strict=True)])
        return stacked * scale.unsqueeze(2) * columns

    def extra_repr(self) -> str:
        """Options shown by ``print``."""
        return f"k={self.k}, norm={self.norm!r}"
