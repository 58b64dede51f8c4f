"""EASE: a linear item-item model in closed form."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.baselines.baseline import Baseline, SciPyMatrix
from mrdib_graph.baselines.zero_diagonal import check_size, zero_diagonal_weights
from mrdib_graph.options import Count, Positive, checked
from mrdib_graph.resolver import key


class EASE(Baseline):
    r"""The linear autoencoder with a zero diagonal, solved in closed form.

    From `"Embarrassingly Shallow Autoencoders for Sparse Data" <https://arxiv.org/abs/1905.03375>`_
    (Steck, WWW 2019): the item-item weights with zero diagonal that minimise
    :math:`\lVert X - XB \rVert_F^2 + \lambda \lVert B \rVert_F^2`:

    .. math::
        P = (X^\top X + \lambda I)^{-1}, \qquad
        B_{ij} = -\frac{P_{ij}}{P_{jj}} \; (i \ne j), \quad B_{jj} = 0, \qquad y_u = X_u B

    Note:
        EASE and what is built on it form a dense [I, I] matrix, for the method is its inverse: in
        float64 it needs about :math:`24\, I^2` bytes for a moment, 1.2 GB for 7,050 items, and
        keeps :math:`4\, I^2`.  Memory and time are logged before it starts.

    Args:
        l2_weight: :math:`\lambda`, in interactions.
        max_items: Refuse graphs with more items than this.

    Raises:
        ConfigError: A value is out of range.
    """

    @checked
    def __init__(self, l2_weight: Positive = 100.0, max_items: Count = 20_000) -> None:
        self.l2_weight, self.max_items = l2_weight, max_items

    def _fit(self, data: HeteroData, train: SciPyMatrix) -> None:
        check_size(key(type(self).__name__), graph.num_items(data), self.max_items)
        self._weights = zero_diagonal_weights(self._gram(data, train), self.l2_weight)

    def _gram(self, data: HeteroData, train: SciPyMatrix) -> Tensor:  # noqa: ARG002
        """Inner products of the columns that the weights reconstruct [I, I] float64."""
        return torch.from_numpy((train.T @ train).toarray()).double()

    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:  # noqa: ARG002
        item = torch.from_numpy(histories.indices).long()
        offsets = torch.from_numpy(histories.indptr[:-1]).long()
        return torch.nn.functional.embedding_bag(item, self._weights, offsets, mode="sum")
