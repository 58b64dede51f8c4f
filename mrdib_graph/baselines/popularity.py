"""Popularity: the same ranking for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines.baseline import Baseline, histories, training_matrix

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class Popularity(Baseline):
    """Scores an item by its number of training interactions."""

    def __init__(self) -> None:
        self._train: csr_matrix | None = None
        self._count = torch.empty(0)

    def fit(self, data: HeteroData) -> Self:
        """Count the training interactions of each item."""
        self._train = training_matrix(data)
        self._count = torch.from_numpy(self._train.sum(0).A1)
        return self

    def score(self, user_ids: Tensor) -> Tensor:
        """Counts [I], the same row for each user [B, I]; see :meth:`Baseline.score`."""
        rows = histories(self._train, user_ids).shape[0]
        return self._count.to(user_ids.device).expand(rows, -1)
