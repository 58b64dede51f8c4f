"""EASE: a linear item-item model in closed form."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.baselines.baseline import Baseline, SciPyMatrix
from mrdib_graph.errors import ConfigError
from mrdib_graph.options import Count, Positive, checked


class EASE(Baseline):
    r"""The linear autoencoder with a zero diagonal, solved in closed form.

    From `"Embarrassingly Shallow Autoencoders for Sparse Data" <https://arxiv.org/abs/1905.03375>`_
    (Steck, WWW 2019): the item-item weights with zero diagonal that minimise
    :math:`\lVert X - XB \rVert_F^2 + \lambda \lVert B \rVert_F^2`:

    .. math::
        P = (X^\top X + \lambda I)^{-1}, \qquad
        B_{ij} = -\frac{P_{ij}}{P_{jj}} \; (i \ne j), \quad B_{jj} = 0, \qquad y_u = X_u B

    Note:
        This is the one place that forms a dense [I, I] matrix, for the method is its inverse: in
        float64 it needs about :math:`24\, I^2` bytes for a moment, 1.2 GB for 7,050 items, and
        keeps :math:`4\, I^2`.

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
        items = graph.num_items(data)
        if items > self.max_items:
            raise ConfigError(
                f"ease: the graph has {items} items, more than max_items={self.max_items}; the "
                f"inverse needs about {24 * items**2 / 1e9:.0f} GB: raise max_items if they are "
                "there, or use item_knn"
            )
        gram = torch.from_numpy((train.T @ train).toarray()).double()
        gram.diagonal().add_(self.l2_weight)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram, out=gram))
        self._weights = inverse.div_(-inverse.diagonal().clone()).float()
        self._weights.diagonal().zero_()

    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:  # noqa: ARG002
        item = torch.from_numpy(histories.indices).long()
        offsets = torch.from_numpy(histories.indptr[:-1]).long()
        return torch.nn.functional.embedding_bag(item, self._weights, offsets, mode="sum")
