"""From items to users along the training interactions."""

from __future__ import annotations

from typing import Literal

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.sparse import SparseMatrix

Norm = Literal["sum", "mean", "sym"]


class UserHistoryGraph(BaseTransform):  # type: ignore[misc]
    r"""Builds the [U, I] operator that gathers a user's training items.

    With R the binary training interactions and :math:`D_U, D_I` their degrees:

    * ``'sum'``: R
    * ``'mean'``: :math:`D_U^{-1} R`, the mean of a user's history
    * ``'sym'``: :math:`D_U^{-1/2} R D_I^{-1/2}`, the user-by-item block of LightGCN's graph

    A user without interactions has an empty row.

    Args:
        norm: One of the three.

    Shapes:
        The operator is [U, I]; read it with :func:`mrdib_graph.graph.user_history`.

    Raises:
        ConfigError: The norm is unknown.
        DataError: The interactions are not split.
    """

    def __init__(self, norm: Norm = "mean") -> None:
        if norm not in ("sum", "mean", "sym"):
            raise ConfigError(f"norm: got {norm!r}, expected sum, mean or sym")
        self.norm = norm

    def forward(self, data: HeteroData) -> HeteroData:
        """Add the operator where it is not there yet."""
        name = f"user_history_{self.norm}"
        if not graph.has_operator(data, name):
            graph.set_operator(data, name, self._build(data))
        return data

    def _build(self, data: HeteroData) -> SparseMatrix:
        user, item = graph.interactions(data, "train")
        shape = (graph.num_users(data), graph.num_items(data))
        history = SparseMatrix.from_edges(user, item, None, shape)
        history = history.with_values(torch.ones_like(history.value))
        user_degree = history.crow.diff().to(history.value.dtype)
        if self.norm == "mean":
            return history.with_values(user_degree.reciprocal()[history.row])
        if self.norm == "sym":
            item_degree = torch.bincount(history.col, minlength=shape[1])
            return history.with_values(
                (user_degree[history.row] * item_degree[history.col]).rsqrt()
            )
        return history

    def __repr__(self) -> str:
        return f"UserHistoryGraph(norm={self.norm!r})"
