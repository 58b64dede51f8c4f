"""Content kNN: items whose features are near those of the user's history, untrained."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines.baseline import Baseline, SciPyMatrix
from mrdib_graph.baselines.content_rows import content_rows
from mrdib_graph.nn.neighbor_search import neighbor_search
from mrdib_graph.options import Count, checked


class ContentKNN(Baseline):
    r"""Item-item neighbours by the cosine of all features side by side; nothing is learned.

    With the rows :math:`c_i` of length 1 that :func:`content_rows` makes, the training matrix
    :math:`X` and :math:`N_k(i)` the k other items whose rows are nearest to i's:

    .. math::
        y_{ui} = \sum_{j \in N_k(i)} c_i^\top c_j \, X_{uj}

    With ``k=None`` every item of the history counts, i itself too where it is in it:
    :math:`y_{ui} = c_i^\top \sum_j c_j X_{uj}`, which orders items as their cosine with the user's
    mean row does.  :class:`ContentCosine` has one profile for each modality instead.

    It ranks cold items, for it reads no interaction of the item that is ranked.  An item without
    features scores 0.  Equal cosines order by lower item id.  Neighbours are searched in blocks of
    rows: no dense [I, I] matrix.

    Args:
        k: Neighbours of each item; all for None.

    Raises:
        ConfigError: k is out of range.
    """

    name = "content-knn"
    reads_content = True

    @checked
    def __init__(self, k: Count | None = None) -> None:
        self.k = k

    def _fit(self, data: HeteroData, train: SciPyMatrix) -> None:  # noqa: ARG002
        self._rows = content_rows(data, self.name)  # [I, d]
        self._neighbors = None if self.k is None else self._nearest(self._rows, self.k)

    def _nearest(self, rows: Tensor, k: int) -> SciPyMatrix:
        """Similarities with the k nearest, transposed: item j of the history to item i [I, I]."""
        from scipy.sparse import csr_matrix

        items = rows.size(0)
        k = min(k, items - 1)
        found = neighbor_search(rows, k + 1, name=self.name)  # each row itself comes first
        index, value = found.index[:, 1:].flatten(), found.value[:, 1:].flatten()
        place = np.arange(0, items * k + 1, k) if k else np.zeros(items + 1, dtype=np.int64)
        return csr_matrix((value.numpy(), index.numpy(), place), shape=(items, items)).T.tocsr()

    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:  # noqa: ARG002
        if self._neighbors is None:
            return torch.from_numpy(histories @ self._rows.numpy()) @ self._rows.T
        return torch.from_numpy((histories @ self._neighbors).toarray())
