"""The user-item graph as one sparse operator over all nodes, users first."""

from __future__ import annotations

from typing import Literal

import torch
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.sparse import SparseMatrix

Norm = Literal["sym", "row", "row_self"]


class UserItemGraph(BaseTransform):  # type: ignore[misc]
    r"""Builds the normalised user-item graph from the training interactions.

    With :math:`A = \begin{pmatrix} 0 & R \\ R^\top & 0 \end{pmatrix}`, D its degrees:

    * ``'sym'``: :math:`S = D^{-1/2} A D^{-1/2}` (LightGCN)
    * ``'row'``: :math:`D^{-1} A` (mean of the neighbours)
    * ``'row_self'``: :math:`T = (D + 1)^{-1} (A + 1)` (LATTICE's release)

    A node without interactions has weight 0, or 1 on itself under ``'row_self'``.

    Args:
        norm: One of the three.

    Shapes:
        The operator is [U + I, U + I]; read it with :func:`mrdib_graph.graph.user_item_graph`.

    Raises:
        ConfigError: The norm is unknown.
        DataError: The interactions are not split.
    """

    def __init__(self, norm: Norm = "sym") -> None:
        if norm not in ("sym", "row", "row_self"):
            raise ConfigError(f"norm: got {norm!r}, expected sym, row or row_self")
        self.norm = norm

    def forward(self, data: HeteroData) -> HeteroData:
        """Add the operator where it is not there yet."""
        name = f"user_item_{self.norm}"
        if not graph.has_operator(data, name):
            graph.set_operator(data, name, self._build(data))
        return data

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

    def __repr__(self) -> str:
        return f"UserItemGraph(norm={self.norm!r})"
