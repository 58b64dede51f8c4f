"""Item kNN: items whose users overlap with those of the user's history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines.baseline import Baseline, histories, training_matrix
from mrdib_graph.errors import ConfigError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class ItemKNN(Baseline):
    r"""Collaborative filtering by the cosine between the users of two items.

    After `"Item-based collaborative filtering recommendation algorithms"
    <https://doi.org/10.1145/371920.372071>`_ (Sarwar et al., WWW 2001).  With the training matrix
    :math:`X \in \{0, 1\}^{U \times I}`, :math:`n_i` users of item i and :math:`N_k(i)` the k other
    items most similar to i:

    .. math::
        s_{ij} = \frac{(X^\top X)_{ij}}{\sqrt{n_i n_j} + \text{shrink}}, \qquad
        y_{ui} = \sum_{j \in N_k(i)} s_{ij} X_{uj}

    Equal similarities order by lower item id.  Only pairs of items that share a user are formed, in
    blocks of rows: no dense [I, I] matrix.

    Args:
        k: Neighbours of each item.
        shrink: Added to the denominator, in interactions: pulls similarities that few users
            support towards zero.
        block_size: Items whose neighbours are searched at once.

    Raises:
        ConfigError: A value is out of range.
    """

    def __init__(self, k: int = 100, shrink: float = 0.0, block_size: int = 2048) -> None:
        for name, value, low in (("k", k, 1), ("shrink", shrink, 0), ("block_size", block_size, 1)):
            if not value >= low:
                raise ConfigError(f"{name}: got {value!r}, expected a number from {low}")
        self.k, self.shrink, self.block_size = k, shrink, block_size
        self._train: csr_matrix | None = None
        self._neighbors: csr_matrix | None = None

    def fit(self, data: HeteroData) -> Self:
        """Find the k nearest items of each item."""
        from scipy.sparse import vstack

        self._train = training_matrix(data)
        transposed = self._train.T.tocsr()
        norm = np.sqrt(np.diff(transposed.indptr).astype(np.float64))
        starts = range(0, transposed.shape[0], self.block_size)
        blocks = [self._nearest(transposed, start, norm) for start in starts]
        self._neighbors = vstack(blocks, format="csr").T.tocsr()
        return self

    def _nearest(self, transposed: csr_matrix, start: int, norm: np.ndarray) -> csr_matrix:
        """The k largest similarities in each row of a block of items [b, I]."""
        from scipy.sparse import csr_matrix

        assert self._train is not None
        shared = (transposed[start : start + self.block_size] @ self._train).tocoo()
        row, col = shared.row, shared.col
        value = shared.data / (norm[row + start] * norm[col] + self.shrink)
        other = row + start != col
        row, col, value = row[other], col[other], value[other]
        order = np.lexsort((col, -value, row))
        row, col, value = row[order], col[order], value[order]
        place = np.arange(row.size) - np.searchsorted(row, row)
        keep = place < self.k
        return csr_matrix((value[keep], (row[keep], col[keep])), shape=shared.shape)

    def score(self, user_ids: Tensor) -> Tensor:
        """Summed similarities to the history [B, I] float32; see :meth:`Baseline.score`."""
        rows = histories(self._train, user_ids)
        assert self._neighbors is not None
        scores = rows @ self._neighbors
        return torch.from_numpy(scores.toarray().astype(np.float32)).to(user_ids.device)
