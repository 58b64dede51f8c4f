"""Popularity: the same ranking for everybody."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.baselines.baseline import Baseline, SciPyMatrix


class Popularity(Baseline):
    """Scores an item by its number of training interactions, the same for each user."""

    def _fit(self, data: HeteroData, train: SciPyMatrix) -> None:  # noqa: ARG002
        self._count = torch.from_numpy(train.sum(0).A1)  # [I]

    def _score(self, users: Tensor, histories: SciPyMatrix) -> Tensor:  # noqa: ARG002
        return self._count.expand(users.numel(), -1)
