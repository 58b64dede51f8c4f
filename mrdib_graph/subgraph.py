"""Sampled subgraphs: what a backbone says of its messages, and rows of tables by node id.

A subgraph is a ``HeteroData`` of the same schema with fewer users and items, numbered from 0, whose
node stores carry ``n_id``: the numbers that its nodes have in the whole graph.  Its operators hold
the values of the whole graph's, so degrees are those of the whole graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor
from torch.nn import Embedding
from torch_geometric.data import HeteroData

from mrdib_graph.sparse import SparseMatrix

ALL = "user and item"
"""A side of an operator that numbers users first and items after them."""


class Messages(NamedTuple):
    """Messages along one operator: row r of ``matrix`` is what node r receives.

    ``num_hops`` is the largest number of messages between a batch's node and a node that still has
    to receive along this operator, itself included: L for L layers; 1 + n where the result of n
    layers is passed on once more.
    """

    name: str
    matrix: SparseMatrix
    targets: str
    sources: str
    num_hops: int


class Sampling(NamedTuple):
    """What a backbone reads of a subgraph.

    ``messages`` are all that ``encode`` passes this epoch.  ``modalities`` are those whose raw
    features it reads: of the batch's items, which come first, or with ``all_features`` of every
    item of the subgraph.
    """

    messages: Sequence[Messages] = ()
    modalities: Sequence[str] = ()
    all_features: bool = False


def is_subgraph(data: HeteroData) -> bool:
    """Whether a graph is a sampled subgraph."""
    return "n_id" in data["user"]


def table_rows(
    table: Embedding, data: HeteroData, node_type: str, index: Tensor | None = None
) -> Tensor:
    """Rows of a table that has one for every user, or item, of the whole graph.

    Args:
        table: [U, d] or [I, d].
        data: The whole graph or a subgraph.
        node_type: ``'user'`` or ``'item'``.
        index: Nodes of ``data`` [n]; all of them, in order, for None.

    Returns:
        Rows [n, d].
    """
    if not is_subgraph(data):
        weight: Tensor = table.weight if index is None else table(index)
        return weight
    n_id = data[node_type].n_id
    rows: Tensor = table(n_id if index is None else n_id[index])
    return rows
