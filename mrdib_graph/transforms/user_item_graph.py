"""The training interactions as sparse operators: over all nodes, and from items to users."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.options import checked
from mrdib_graph.sparse import SparseMatrix


class InteractionGraph(BaseTransform, ABC):  # type: ignore[misc]
    """An operator made from the training interactions, under a name that ends in its norm.

    Raises:
        ConfigError: The norm is unknown.
        DataError: The interactions are not split.
    """

    name: ClassVar[str]
    norm: str

    def forward(self, data: HeteroData) -> HeteroData:
        """Add the operator where it is not there yet."""
        name = f"{self.name}_{self.norm}"
        if not graph.has_operator(data, name):
            graph.set_operator(data, name, self._build(data))
        return data

    @abstractmethod
    def _build(self, data: HeteroData) -> SparseMatrix: ...

    def __repr__(self) -> str:
        return f"{type(self).__name__}(norm={self.norm!r})"


class UserItemGraph(InteractionGraph):
    r"""Builds the normalised user-item graph over all nodes, users first.

    With :math:`A = \begin{pmatrix} 0 & R \\ R^\top & 0 \end{pmatrix}`, D its degrees:

    * ``'sym'``: :math:`S = D^{-1/2} A D^{-1/2}` (LightGCN)
    * ``'row'``: :math:`D^{-1} A` (mean of the neighbours)
    * ``'row_self'``: :math:`T = (D + 1)^{-1} (A + 1)` (LATTICE's release)

    A node without interactions has weight 0, or 1 on itself under ``'row_self'``.

    Args:
        norm: One of the three.

    Shapes:
        The operator is [U + I, U + I]; read it with :func:`mrdib_graph.graph.user_item_graph`.
    """

    name = "user_item"

    @checked
    def __init__(self, norm: Literal["sym", "row", "row_self"] = "sym") -> None:
        self.norm = norm

    def _build(self, data: HeteroData) -> SparseMatrix:
        user, item = graph.interactions(data, "train")
        num_nodes = graph.num_users(data) + graph.num_items(data)
        item = item + graph.num_users(data)
        row, col = torch.cat([user, item]), torch.cat([item, user])
        if self.norm == "row_self":
            loops = torch.arange(num_nodes, device=row.device)
            row, col = torch.cat([row, loops]), torch.cat([col, loops])
        adjacency = SparseMatrix.from_edges(row, col, None, (num_nodes, num_nodes))
        degree = adjacency.crow.diff().float()
        row, col = adjacency.row, adjacency.col
        if self.norm == "sym":
            value = (degree[row] * degree[col]).rsqrt()
            return adjacency.with_values(value, symmetric=True)
        return adjacency.with_values(degree[row].reciprocal())


class UserHistoryGraph(InteractionGraph):
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
    """

    name = "user_history"

    @checked
    def __init__(self, norm: Literal["sum", "mean", "sym"] = "mean") -> None:
        self.norm = norm

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
            degrees = user_degree[history.row] * item_degree[history.col]
            return history.with_values(degrees.rsqrt())
        return history
