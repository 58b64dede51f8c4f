"""Item kNN: items whose users overlap with those of the user's history."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines.baseline import Baseline, SciPyMatrix
from mrdib_graph.options import Count, NonNegative, checked


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

    @checked
    def __init__(self, k: Count = 100, shrink: NonNegative = 0.0, block_size: Count = 2048) -> None:
        self.k, self.shrink, self.block_size = k, shrink, block_size

    def _fit(self, data: HeteroData, train: SciPyMatrix) -> None:  # noqa: ARG002
        from scipy.sparse import vstack

        transposed = train.T.tocsr()
        norm = np.sqrt(np.diff(transposed.indptr).astype(np.float64))
        starts = range(0, transposed.shape[0], self.block_size)
        blocks = [self._nearest(transposed, train, start, norm) for start in starts]
        self._neighbors = vstack(blocks, format="csr").T.tocsr()

    def _nearest(
        self, transposed: SciPyMatrix, train: SciPyMatrix, start: int, norm: np.ndarray
    ) -> SciPyMatrix:
        """The k largest similarities in each row of a block of items [b, I]."""
        from scipy.sparse import csr_matrix

        shared = (transposed[start : start + self.block_size] @ train).tocoo()
        row, col = shared.row, shared.col
        value = shared.data / (norm[row + start] * norm[col] + self.shrink)
        other = row + start != col
        row, col, value = row[other], col[other], value[other]
        order = np.lexsort((col, -value, row))
        row, col, value = row[order], col[order], value[order]
        place = np.arange(row.size) - np.searchsorted(row, row)
        keep = place < self.k
        return csr_matrix((value[keep], (row[keep], col[keep])), shape=shared.shape)

    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:  # noqa: ARG002
        return torch.from_numpy((histories @ self._neighbors).toarray().astype(np.float32))
