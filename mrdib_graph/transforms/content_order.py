"""Exact searches over pairs of items, with ties broken by content instead of by item number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import DataError
from mrdib_graph.sparse import SparseMatrix
from mrdib_graph.transforms.graph_cache import cached
from mrdib_graph.transforms.row_blocks import row_blocks

GRID = 2**20
"""Values closer than 1e-6 are ties: products in blocks differ in the last bits."""

ABSENT = -4.0
"""What stands for a pair that may not be chosen, far below any cosine."""

_BLOCK_VALUES = 2**21
_BLOCKS = 8  # at least: a block stays small beside the whole also where the whole is small


class OrderedItems(NamedTuple):
    """Items in an order that their content fixes, so that "the first one" has a meaning.

    Shapes:
        ``order`` [I]: the item at each place.  ``x``: features of norm 1 of each modality in that
        order, M times [I, d_m].  ``masks``: which of these items have the modality, M times [I].
    """

    order: Tensor
    x: list[Tensor]
    masks: list[Tensor]

    def reorder(self, history: SparseMatrix) -> SparseMatrix:
        """Ones where ``history`` [U, I] has a value, its columns in this order."""
        place = torch.empty_like(self.order)
        place[self.order] = torch.arange(self.order.numel(), device=place.device)
        return SparseMatrix.from_edges(history.row, place[history.col], None, history.shape)


def modalities_of(data: HeteroData, asked: Sequence[str] | None, what: str) -> Sequence[str]:
    """The modalities that a graph is made from: those asked for, or all.

    Raises:
        DataError: There is none; the message begins with ``what``.
    """
    if names := asked or graph.modalities(data):
        return names
    raise DataError(f"{what}: the graph has no modality, it needs one or more")


def cached_with_content(
    data: HeteroData,
    modalities: Sequence[str],
    history: SparseMatrix,
    options: dict[str, object],
    build: Callable[[], dict[str, Tensor]],
) -> dict[str, Tensor]:
    """The result of ``build()``, which depends on history, features and options; see
    :func:`~mrdib_graph.transforms.graph_cache.cached`.
    """
    tensors = {"crow": history.crow, "col": history.col}
    for position, modality in enumerate(modalities):
        x, mask = graph.item_features(data, modality)
        tensors |= {f"x_{position}": x, f"mask_{position}": mask}
    made = cached(tensors, options, build)
    return {name: value.to(history.col.device) for name, value in made.items()}


def ordered_items(data: HeteroData, modalities: Sequence[str]) -> OrderedItems:
    r"""Sort the items by :math:`\sum_m \sum_c c\, x_{m,i,c} / d_m`, then by their number.

    The sum itself says nothing; it differs between items whose features differ, and numbering the
    items in another way does not change it.
    """
    features = [graph.item_features(data, m) for m in modalities]
    key = features[0][0].new_zeros(graph.num_items(data), dtype=torch.float64)
    for x, _ in features:
        ramp = torch.arange(1, x.size(1) + 1, device=x.device, dtype=torch.float64) / x.size(1)
        for rows in row_blocks(x):
            key[rows] += (x[rows].double() * ramp).sum(1)
    order = key.argsort(stable=True)
    unit = [F.normalize(x[order].float(), dim=-1, eps=1e-12) for x, _ in features]
    return OrderedItems(order, unit, [mask[order] for _, mask in features])


def top_columns(
    block: Callable[[slice], Tensor], num_rows: int, num_cols: int, k: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """The k largest entries of each row of a matrix that is made a block of columns at a time.

    Ties go to the first column, entries within 1e-6 being ties.

    Args:
        block: Gives the entries ``[n, columns]`` of a slice of columns, in -1..1 or ``ABSENT``.
        num_rows: n.
        num_cols: Number of columns.
        k: Entries wanted a row, at most ``num_cols``.
        device: Where the result lies.

    Returns:
        ``index`` [n, k] in rank order, and whether it is an entry that is not absent [n, k].
    """
    width = max(1, min(_BLOCK_VALUES // num_rows, -(-num_cols // _BLOCKS)))
    # one integer holds the rank and the column, so that no two are equal
    best = torch.empty(num_rows, 0, dtype=torch.int64, device=device)
    for start in range(0, num_cols, width):
        columns = torch.arange(start, min(start + width, num_cols), device=device)
        rank = (block(slice(start, start + width)) * GRID).round_().long()
        key = torch.cat([best, rank * num_cols + (num_cols - 1 - columns)], dim=1)
        best = key.topk(min(k, key.size(1)), dim=1).values
    rank = best.div(num_cols, rounding_mode="floor")
    return num_cols - 1 - best % num_cols, rank > ABSENT * GRID / 2


def edge_products(x: Tensor, pattern: SparseMatrix) -> Tensor:
    """Inner products of the rows that each stored entry joins, in its order: [I, d] -> [nnz]."""
    if not pattern.nnz:
        return x.new_zeros(0)
    zero = pattern.with_values(torch.zeros_like(pattern.value)).csr
    products: Tensor = torch.sparse.sampled_addmm(zero, x, x.T, beta=0.0).values()
    return products
