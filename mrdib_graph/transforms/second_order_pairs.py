"""Per user, the pairs of a history item and another item that are most similar."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph.nn.knn import neighbor_matrix
from mrdib_graph.sparse import SparseMatrix, place_in_group
from mrdib_graph.transforms.content_order import (
    ABSENT,
    GRID,
    OrderedItems,
    edge_products,
    ordered_items,
    top_columns,
)

_BLOCK_CANDIDATES = 2**22
_LOWEST = torch.iinfo(torch.int64).min


class _Table(NamedTuple):
    """The best other items of each item, and the rank that all further ones do not exceed."""

    item: Tensor  # [I, depth]
    value: Tensor  # [I, depth]
    present: Tensor  # [I, depth] bool
    rest: Tensor  # [I]: their highest possible rank; the lowest integer where there are none


class _Choice(NamedTuple):
    """Pairs of a range of users, and whether a deeper table could not hold a better one."""

    user: Tensor
    item: Tensor
    value: Tensor
    final: bool


@torch.no_grad()
def second_order_pairs(
    data: HeteroData,
    modalities: Sequence[str],
    history: SparseMatrix,
    k: int,
    exclude_history: bool = False,
) -> dict[str, Tensor]:
    r"""For each user the k pairs (i, j), i in the history and j another item, of the largest value.

    The value is the product over the modalities of the cosines of i and j.  A user's k best are
    among the k best of each history item, so a table [I, k] is enough; with ``exclude_history``
    it is deepened until the rows that could hold a better pair are known not to.  The order of
    pairs is that of :class:`SecondOrderGraph`.

    Args:
        data: The graph.
        modalities: Names, one or more.
        history: R [U, I].
        k: Pairs a user.
        exclude_history: Whether j must not be in the history.

    Returns:
        ``user``, ``item`` (j) and ``value`` of every chosen pair; fewer than k a user where there
        are not as many.
    """
    items = ordered_items(data, modalities)
    history = items.reorder(history)
    most = history.shape[1] - 1
    depth = min(most, 2 * k + 8 if exclude_history else k)
    made: list[_Choice] = []
    while depth:
        table = _table(items, depth)
        blocks = _user_blocks(history, depth)
        made = [_choose(history, table, k, exclude_history, *users) for users in blocks]
        if not exclude_history or depth == most or all(choice.final for choice in made):
            break
        depth = min(most, 2 * depth)
    empty = history.col[:0]
    return {
        "user": torch.cat([empty, *(choice.user for choice in made)]),
        "item": torch.cat([empty, *(items.order[choice.item] for choice in made)]),
        "value": torch.cat([history.value[:0], *(choice.value for choice in made)]),
    }


def _table(items: OrderedItems, depth: int) -> _Table:
    num_items = items.order.numel()
    everywhere = torch.stack(items.masks).all(0)

    def block(columns: slice) -> Tensor:
        product = items.x[0] @ items.x[0][columns].T
        for x in items.x[1:]:
            product *= x @ x[columns].T
        product.diagonal(-columns.start).fill_(ABSENT)
        product[:, ~everywhere[columns]] = ABSENT
        product[~everywhere] = ABSENT
        return product

    index, present = top_columns(block, num_items, num_items, depth, items.order.device)
    index, by_index = index.sort(dim=1)
    present = present.gather(1, by_index)
    # the products once more, where those of (i, j) and (j, i) are equal to the last bit
    pattern = neighbor_matrix(index, torch.zeros_like(index, dtype=torch.float32), num_items)
    value = torch.ones_like(pattern.value)
    for x in items.x:
        value *= edge_products(x, pattern)
    value = value.view(index.shape)
    rest = torch.where(present.all(1), _rank(value).amin(1), _LOWEST)
    return _Table(index, value, present, rest)


def _rank(value: Tensor) -> Tensor:
    return (value * GRID).round().long()


def _user_blocks(history: SparseMatrix, depth: int) -> Iterator[tuple[int, int]]:
    """Ranges of users that have about as many candidates as fit a block."""
    size = max(1, _BLOCK_CANDIDATES // max(1, depth))
    cuts = torch.arange(size, max(size, history.nnz), size, device=history.crow.device)
    starts = torch.searchsorted(history.crow, cuts, right=True) - 1
    edges = sorted({0, *starts.tolist(), history.shape[0]})
    return zip(edges[:-1], edges[1:], strict=True)


def _choose(
    history: SparseMatrix, table: _Table, k: int, exclude: bool, first: int, last: int
) -> _Choice:
    """The pairs of users ``first`` to ``last - 1``."""
    edges = slice(int(history.crow[first]), int(history.crow[last]))
    num_items = history.shape[1]
    user, item = history.row[edges], history.col[edges]
    allowed = table.present[item]  # [E, depth]
    candidate = table.item[item]
    if exclude:
        own = user * num_items + item  # ascending
        key = user.unsqueeze(1) * num_items + candidate
        at = torch.searchsorted(own, key).clamp(max=max(0, own.numel() - 1))
        allowed &= own[at] != key
    edge, column = allowed.nonzero(as_tuple=True)
    i, j, value = item[edge], candidate[edge, column], table.value[item[edge], column]
    rank = _rank(value)
    order = (rank.neg() * num_items**2 + j * num_items + i).argsort()
    order = order[user[edge[order]].argsort(stable=True)]
    of = user[edge[order]] - first
    position = place_in_group(of)
    chosen = order[position < k]
    worst = torch.full((last - first,), _LOWEST, device=of.device)
    full = order[position == k - 1]
    worst[user[edge[full]] - first] = rank[full]
    rest = table.rest[item]
    known = (allowed.sum(1) >= k) | (rest < worst[user - first]) | (rest == _LOWEST)
    return _Choice(user[edge[chosen]], j[chosen], value[chosen], bool(known.all()))
