"""Exact k nearest neighbours by cosine, in row blocks and with a fixed tie order."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from mrdib_graph.errors import ConfigError
from mrdib_graph.nn.edge_dot import edge_dot
from mrdib_graph.sparse import SparseMatrix, in_float32

_GRID = float(2**20)  # cosines closer than 1e-6 are ties: blocked products differ in the last bits
_BLOCK_VALUES = 2**21  # entries of one block of cosines: 8 MB, which stay in a CPU's cache
_BLOCK_VALUES_ACCELERATOR = 2**25
_WHOLE_VALUES = 2**27  # of a table that is copied to normalise it: 512 MB
_QUERY_VALUES = 2**24  # searched at a time in a larger one, which is read once for each so many


@in_float32
@torch.no_grad()
def knn(x: Tensor, k: int, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    r"""The k rows with the largest cosine to each row, **the row itself included**.

    Ties are broken by (self first, then lowest index), cosines within 1e-6 being ties, so items
    that share a feature row get the same neighbours on every machine.  The memory is that of one
    block of rows, and of a copy of x up to 512 MB; no [I, I] tensor is formed.

    Args:
        x: Rows [I, d]; a zero row has cosine 0 to every other.
        k: Neighbours per row, at most I.
        mask: Rows that exist [I] bool; the others are nobody's neighbour.

    Returns:
        ``index`` [I, k] and cosine ``value`` [I, k], in rank order; a neighbour that does not
        exist (k above the number of existing rows) and every neighbour of a missing row has value
        0.

    Raises:
        ConfigError: k is not in 1..I.
    """
    num_rows = x.size(0)
    check_k(k, num_rows)
    if x.is_cpu and x.numel() > _WHOLE_VALUES:
        chunks = torch.split(torch.arange(num_rows), max(1, _QUERY_VALUES // x.size(1)))
        indices, values = zip(*(knn_of_rows(x, rows, k, mask) for rows in chunks), strict=True)
        return torch.cat(indices), torch.cat(values)
    x = F.normalize(x.float(), dim=-1, eps=1e-12)
    block = max(1, (_BLOCK_VALUES if x.is_cpu else _BLOCK_VALUES_ACCELERATOR) // num_rows)
    index = torch.empty(num_rows, k, dtype=torch.int64, device=x.device)
    value = torch.empty(num_rows, k, dtype=x.dtype, device=x.device)
    for start in range(0, num_rows, block):
        rows = torch.arange(start, min(start + block, num_rows), device=x.device)
        cosine = x[rows] @ x.T
        if mask is not None:
            cosine[:, ~mask] = 0.0
        rank = (cosine * _GRID).round_()
        if mask is not None:
            rank[:, ~mask] = -4 * _GRID
        rank[rows - start, rows] = 4 * _GRID
        index[rows] = _top(rank, k)
        value[rows] = cosine.gather(1, index[rows])
    if mask is not None:
        value[~mask] = 0.0
    return index, value


@in_float32
@torch.no_grad()
def knn_of_rows(
    x: Tensor, rows: Tensor, k: int, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """What :func:`knn` gives for some rows, read in blocks of x: for tables larger than memory.

    Shapes:
        ``x`` [I, d], ``rows`` [n], ``mask`` [I] -> index [n, k] and cosine [n, k].

    Raises:
        ConfigError: k is not in 1..I.
    """
    check_k(k, x.size(0))
    query = F.normalize(x[rows].float(), dim=-1, eps=1e-12)
    best = [query.new_empty(rows.numel(), 0), query.new_empty(rows.numel(), 0)]
    index = rows.new_empty(rows.numel(), 0)
    # from 32 MiB on: the C library gives that much back, and what is kept cannot split the space
    block = -(-4 * _BLOCK_VALUES // max(rows.numel(), x.size(1)))
    for start in range(0, x.size(0), block):
        cols = torch.arange(start, min(start + block, x.size(0)), device=x.device)
        cosine = query @ F.normalize(x[cols].float(), dim=-1, eps=1e-12).T
        rank = (cosine * _GRID).round_()
        if mask is not None:
            cosine[:, ~mask[cols]], rank[:, ~mask[cols]] = 0.0, -4 * _GRID
        rank[rows.unsqueeze(1) == cols] = 4 * _GRID
        # what was found so far comes first, so that among ties the lowest number stays first
        joined = torch.cat([best[0], rank], 1)
        place = _top(joined, min(k, joined.size(1)))
        best = [joined.gather(1, place), torch.cat([best[1], cosine], 1).gather(1, place)]
        index = torch.cat([index, cols.expand(rows.numel(), -1)], 1).gather(1, place)
    value = best[1] if mask is None else best[1] * mask[rows].unsqueeze(1)
    return index, value


def check_k(k: int, num_rows: int) -> None:
    """Refuse a number of neighbours that there are not.

    Raises:
        ConfigError: k is not in 1..I.
    """
    if not 1 <= k <= num_rows:
        raise ConfigError(f"k: got {k} neighbours for {num_rows} items, expected 1 to {num_rows}")


def _top(rank: Tensor, k: int) -> Tensor:
    """Column indices of the k largest entries of each row, ties by lowest index [b, k]."""
    wanted = min(k + 1, rank.size(1))
    values, index = rank.topk(wanted, dim=1)
    if wanted > k:
        tied = values[:, k - 1] == values[:, k]  # which of them topk returned is not defined
        values, index = values[:, :k], index[:, :k]
        if bool(tied.any()):
            order = rank[tied].sort(dim=1, descending=True, stable=True).indices[:, :k]
            index = index.index_put((tied.nonzero().squeeze(1),), order)
            values = rank.gather(1, index)
    index, by_index = index.sort(dim=1)
    by_value = values.gather(1, by_index).sort(dim=1, descending=True, stable=True).indices
    return index.gather(1, by_value)


def neighbor_matrix(index: Tensor, value: Tensor, num_cols: int) -> SparseMatrix:
    """The directed sparse matrix [I, num_cols] of neighbour lists [I, k], in CSR form."""
    num_rows, k = index.shape
    col, order = index.sort(dim=1)
    crow = torch.arange(0, num_rows * k + 1, k, device=index.device)
    return SparseMatrix(crow, col.flatten(), value.gather(1, order).flatten(), num_cols)


def edge_cosine(x: Tensor, index: Tensor) -> Tensor:
    """Cosines of each row with its neighbours, differentiable in x: [I, d], [I, k] -> [I, k].

    No [I, k, d] tensor is formed.
    """
    x = F.normalize(x, dim=-1, eps=1e-12)
    order = index.sort(dim=1).indices
    pattern = neighbor_matrix(index, x.new_zeros(index.shape), x.size(0))
    return edge_dot(pattern, x, x).view_as(index).gather(1, order.argsort(dim=1))


def inverse_sqrt(degree: Tensor) -> Tensor:
    """Elementwise ``degree ** -0.5`` with 0 where the degree is not positive.

    Text cosines can be negative, so a row sum of kept cosines can be; such a row weighs nothing
    instead of turning into NaN.  The gradient is 0 there too.
    """
    positive = degree > 0
    return torch.where(positive, degree.clamp(min=1e-12).rsqrt(), torch.zeros_like(degree))
