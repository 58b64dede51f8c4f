"""EASE: a linear item-item model in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.baselines.baseline import Baseline, histories, training_matrix
from mrdib_graph.errors import ConfigError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


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

    def __init__(self, l2_weight: float = 100.0, max_items: int = 20_000) -> None:
        if not l2_weight > 0:
            raise ConfigError(f"l2_weight: got {l2_weight!r}, expected a number above 0")
        if not max_items >= 1:
            raise ConfigError(f"max_items: got {max_items!r}, expected an integer from 1")
        self.l2_weight, self.max_items = l2_weight, max_items
        self._train: csr_matrix | None = None
        self._weights = torch.empty(0)

    def fit(self, data: HeteroData) -> Self:
        """Invert the Gram matrix of the training interactions.

        Raises:
            ConfigError: The graph has more than ``max_items`` items.
        """
        items = graph.num_items(data)
        if items > self.max_items:
            raise ConfigError(
                f"ease: the graph has {items} items, more than max_items={self.max_items}; the "
                f"inverse needs about {24 * items**2 / 1e9:.0f} GB: raise max_items if they are "
                "there, or use item_knn"
            )
        self._train = training_matrix(data)
        gram = torch.from_numpy((self._train.T @ self._train).toarray()).double()
        gram.diagonal().add_(self.l2_weight)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram, out=gram))
        weights = inverse.div_(-inverse.diagonal().clone()).float()
        weights.diagonal().zero_()
        self._weights = weights
        return self

    def score(self, user_ids: Tensor) -> Tensor:
        """Summed weights of the history [B, I] float32; see :meth:`Baseline.score`."""
        rows = histories(self._train, user_ids)
        item = torch.from_numpy(rows.indices).long()
        offsets = torch.from_numpy(rows.indptr[:-1]).long()
        scores = torch.nn.functional.embedding_bag(item, self._weights, offsets, mode="sum")
        return scores.to(user_ids.device)
