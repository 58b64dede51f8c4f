"""A learned code for every item that lacks a modality, in place of a zero row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor
from torch.nn import Embedding, Module, ModuleDict, init
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.subgraph import table_rows
from mrdib_graph.typing import Rows


class MissingCodes(Module):
    r"""Replaces the rows of items that lack a modality by rows of a table of their own.

    .. math::
        z_{m,i} = \begin{cases} e_{m,i} & \text{item } i \text{ has modality } m \\
                                t_{m,i} & \text{it lacks it} \end{cases}

    The tables start at 0, where a missing modality adds nothing, and are learned from the item's
    interactions through the user vectors that score the modality: what its picture would tell is
    inferred from who takes it.  An item without training interactions is in no batch, neither taken
    nor sampled, and keeps its zero row where the score is made row by row.

    Args:
        num_items: I.
        modalities: Modalities that some item lacks; others need no table.
        embedding_dim: d, the width of the rows.

    Shapes:
        Rows [n, d] or [I, d] of each modality; a table is [I, d], as that of the IDs.
    """

    def __init__(self, num_items: int, modalities: Sequence[str], embedding_dim: int) -> None:
        super().__init__()
        self.tables = ModuleDict({m: Embedding(num_items, embedding_dim) for m in modalities})
        for table in self.tables.parameters():
            init.zeros_(table)

    @classmethod
    def from_data(cls, data: HeteroData, modalities: Sequence[str], embedding_dim: int) -> Self:
        """Tables for those of the modalities that some item of the graph lacks."""
        lacking = list(graph.item_masks(data, modalities))
        return cls(graph.num_items(data), lacking, embedding_dim)

    def forward(self, rows: Rows, data: HeteroData, items: Tensor | None = None) -> Rows:
        """Item rows of every name, with the missing ones replaced.

        Args:
            rows: Name to the rows of ``items``.
            data: The whole graph or a subgraph.
            items: Items of ``data`` [n]; all of them, in order, for None.
        """
        filled = dict(rows)
        for m, mask in graph.item_masks(data, list(self.tables)).items():
            has = (mask if items is None else mask[items]).unsqueeze(1)
            table = self.tables[m]
            assert isinstance(table, Embedding)
            filled[m] = torch.where(has, rows[m], table_rows(table, data, graph.ITEM, items))
        return filled
