"""Fill in the features that items lack from their neighbours in an item graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.transforms import BaseTransform

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.nn.knn import inverse_sqrt, knn
from mrdib_graph.options import Count, checked
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.transforms.drop_derived import drop_feature_derived
from mrdib_graph.transforms.row_blocks import BLOCK_VALUES
from mrdib_graph.transforms.user_item_graph import UserHistoryGraph

Neighbors = Literal["interactions", "knn"]
Step = Callable[[Tensor], Tensor]


class PropagateFeatures(BaseTransform):  # type: ignore[misc]
    r"""Fills in missing features by `"On the Unreasonable Effectiveness of Feature propagation in
    Learning on Graphs with Missing Node Features" <https://arxiv.org/abs/2111.12128>`_.

    With the symmetrically normalised item graph :math:`\tilde A`, known rows :math:`x_k` and
    missing ones that start at 0, over and over

    .. math::
        x \leftarrow \tilde A x, \qquad x_\text{known} \leftarrow x_k

    Two items are neighbours by

    * ``'interactions'``: the users who have both in training,
      :math:`\tilde A = S^\top S` with :math:`S = D_U^{-1/2} R D_I^{-1/2}`, the two hops of the
      user-item graph; the item itself is one of its neighbours;
    * ``'knn'``: the k nearest items by the cosine of each *other* modality's features, of either
      item's list, :math:`\tilde A = D^{-1/2} A D^{-1/2}` with A the number of such modalities.

    Nothing dense of size [I, I] is formed.  A missing row is never read: not in the graph, not as a
    start.  An item that no known row reaches in ``num_iterations`` steps keeps lacking the
    modality: a cold item always under ``'interactions'``, an item without any features under
    ``'knn'``.  A filled row is a feature row like any other.

    Args:
        neighbors: ``'interactions'`` or ``'knn'``.
        num_iterations: Steps; the paper's 40 by default.
        k: Neighbours of an item in each modality under ``'knn'``, the item itself not counted.

    What was done is recorded as ``data.feature_propagation``.

    Raises:
        ConfigError: An argument is unknown or out of range, or ``'knn'`` with one modality.
        DataError: ``'interactions'`` and the interactions are not split.

    Note:
        Under ``'interactions'`` filled rows depend on the training interactions: split first, and
        do not split the result again.
    """

    @checked
    def __init__(
        self, neighbors: Neighbors = "interactions", num_iterations: Count = 40, k: Count = 10
    ) -> None:
        self.neighbors = neighbors
        self.num_iterations = num_iterations
        self.k = k

    def forward(self, data: HeteroData) -> HeteroData:
        """Add a feature row and a ``describes`` edge for each item that can be reached."""
        names = graph.modalities(data)
        if self.neighbors == "knn" and len(names) < 2:
            raise ConfigError(
                "neighbors: 'knn' reads the other modalities, and the graph has "
                f"{len(names)}; use 'interactions'"
            )
        found = {m: self._filled(data, m) for m in names}  # all from the graph as it came
        for modality, (items, rows) in found.items():
            relation, x = data[graph.describes(modality)], data[modality].x
            node = torch.arange(items.numel(), device=items.device) + x.size(0)
            new = torch.stack([node, items])
            if items.numel():
                data[modality].x = torch.cat([x.float(), rows])
                relation.edge_index = torch.cat([relation.edge_index, new], dim=1)
        filled = ", ".join(f"{m} {items.numel()}" for m, (items, _) in found.items())
        data.feature_propagation = f"{self!r}, items filled: {filled}"
        drop_feature_derived(data)
        return data

    def _filled(self, data: HeteroData, modality: str) -> tuple[Tensor, Tensor]:
        """Items that got the modality [n], ascending, and their rows [n, d_m]."""
        x = data[modality].x
        node, item = data[graph.describes(modality)].edge_index
        known = torch.zeros(graph.num_items(data), 1, device=item.device)
        known[item] = 1.0
        if bool(known.all()):
            return item[:0], x[:0].float()
        step = self._step(data, modality)
        reached = self._propagate(known, item, step).squeeze(1) > 0
        reached[item] = False
        items = reached.nonzero().squeeze(1)
        width = max(1, BLOCK_VALUES // known.size(0))  # columns at a time: the rest stays on disk
        parts = []
        for first in range(0, x.size(1), width):
            rows = x[:, first : first + width][node].float()
            start = known.new_zeros(known.size(0), rows.size(1))
            start[item] = rows
            parts.append(self._propagate(start, item, step)[items])
        return items, torch.cat(parts, dim=1)

    def _propagate(self, x: Tensor, known: Tensor, step: Step) -> Tensor:
        rows = x[known]
        for _ in range(self.num_iterations):
            x = step(x)
            x[known] = rows
        return x

    def _step(self, data: HeteroData, modality: str) -> Step:
        """The product with the normalised item graph."""
        if self.neighbors == "interactions":
            history = graph.user_history(UserHistoryGraph("sym")(data), "sym")
            return lambda x: history.t @ (history @ x)
        others = [m for m in graph.modalities(data) if m != modality]
        item_graph = knn_graph(data, others, self.k)
        return lambda x: item_graph @ x

    def __repr__(self) -> str:
        of = f", k={self.k}" if self.neighbors == "knn" else ""
        return f"PropagateFeatures({self.neighbors!r}, num_iterations={self.num_iterations}{of})"


def knn_graph(data: HeteroData, modalities: list[str], k: int) -> SparseMatrix:
    r"""The union of the modalities' kNN item graphs, undirected, without self loops, [I, I].

    :math:`A_{ij}` is the number of modalities in which i is among the k nearest of j or j among
    those of i; returned as :math:`D^{-1/2} A D^{-1/2}`.
    """
    num_items = graph.num_items(data)
    rows, cols = [], []
    for modality in modalities:
        x, mask = graph.item_features(data, modality)
        index, _ = knn(x, min(k + 1, num_items), mask)
        row = torch.arange(num_items, device=index.device).unsqueeze(1).expand_as(index)
        real = mask.unsqueeze(1) & mask[index] & (index != row)
        row, col = row[real], index[real]
        both = torch.unique(torch.cat([row * num_items + col, col * num_items + row]))
        rows.append(both // num_items)
        cols.append(both % num_items)
    shape = (num_items, num_items)
    matrix = SparseMatrix.from_edges(torch.cat(rows), torch.cat(cols), None, shape, symmetric=True)
    scale = inverse_sqrt(matrix.row_sum())
    return matrix.with_values(matrix.value * scale[matrix.row] * scale[matrix.col], symmetric=True)
