"""Which pairs are masked and which are positives: all that does not depend on scores."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import DataError
from mrdib_graph.sparse import SparseMatrix

SPLITS: tuple[graph.Split, ...] = ("train", "val", "test")


def split_matrices(data: HeteroData) -> dict[str, SparseMatrix]:
    """The interactions of each split as a matrix [U, I] on the CPU.

    Raises:
        DataError: The graph has no split, or a user-item pair occurs twice, within a split or in
            two: it would count twice as a positive, or be a positive that is masked.
    """
    shape = (graph.num_users(data), graph.num_items(data))
    matrices: dict[str, SparseMatrix] = {}
    for split in SPLITS:
        user, item = graph.interactions(data, split).cpu()
        matrices[split] = SparseMatrix.from_edges(user, item, None, shape)
    together = union(shape, *matrices.values())
    repeated = int((together.value > 1).sum())
    if repeated:
        raise DataError(
            f"graph: {repeated} user-item pairs occur twice within a split or in two splits; keep "
            "each pair once and make the splits a partition"
        )
    return matrices


def union(shape: tuple[int, int], *matrices: SparseMatrix) -> SparseMatrix:
    """The sum of matrices of one shape; of none, a matrix without entries."""
    empty = torch.empty(0, dtype=torch.int64)
    return SparseMatrix.from_edges(
        torch.cat([empty, *(m.row for m in matrices)]),
        torch.cat([empty, *(m.col for m in matrices)]),
        torch.cat([torch.empty(0), *(m.value for m in matrices)]),
        shape,
    )


def of_items(matrix: SparseMatrix, items: Tensor) -> SparseMatrix:
    """The pairs of some items alone, of the same shape; ``items`` is a mask [I] on the CPU."""
    keep = items[matrix.col]
    row, col = matrix.row[keep], matrix.col[keep]
    return SparseMatrix.from_edges(row, col, matrix.value[keep], matrix.shape)
