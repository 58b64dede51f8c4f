"""The training interactions of each user, looked up in sorted order."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import DataError


class History:
    """Which items each user has in training, on the CPU.

    Nothing here is as large as users times items: a pair is found by bisection in the sorted
    pairs, and a pool of items by bisecting the histories of a batch's users in it.

    Args:
        data: The graph with its training split.

    Raises:
        DataError: The training split is empty, or a user has every item in the training history,
            so that nothing is left to compare with.
    """

    def __init__(self, data: HeteroData) -> None:
        self.num_items = graph.num_items(data)
        self.user: Tensor
        self.item: Tensor
        self.user, self.item = graph.interactions(data, "train").cpu()
        if not self.user.numel():
            raise DataError("the training split is empty, so there is nothing to sample from")
        self.count = self.item.bincount(minlength=self.num_items)
        """Training interactions of each item [I]."""
        self.candidates = self.count.nonzero().squeeze(1)
        """Items that occur in training, in order."""
        self._pairs = (self.user * self.num_items + self.item).sort().values
        per_user = self.user.bincount(minlength=graph.num_users(data))
        self._start = torch.cat([per_user.new_zeros(1), per_user.cumsum(0)])
        full = per_user >= self.candidates.numel()
        if bool(full.any()):
            raise DataError(
                f"user {int(full.nonzero()[0])} has all {self.candidates.numel()} items of the "
                "training split in the history, so no item is left to sample as unobserved"
            )

    def has(self, user: Tensor, item: Tensor) -> Tensor:
        """Whether each pair is in training: [n], [n] -> [n] bool."""
        pair = user * self.num_items + item
        place = torch.searchsorted(self._pairs, pair).clamp(max=self._pairs.numel() - 1)
        return self._pairs[place] == pair

    def lacks(self, user: Tensor, pool: Tensor) -> Tensor:
        """Which items of a pool each user does not have: [B], [n] -> [B, n] bool.

        The pool may name an item more than once.
        """
        ordered, order = pool.sort()
        start, size = self._start[user], self._start[user + 1] - self._start[user]
        row, pair = _ranges(start, size)
        item = self._pairs[pair] % self.num_items
        first = torch.searchsorted(ordered, item)
        found, place = _ranges(first, torch.searchsorted(ordered, item, right=True) - first)
        lacks = torch.ones(user.numel(), pool.numel(), dtype=torch.bool)
        lacks[row[found], order[place]] = False
        return lacks


def _ranges(start: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """The whole numbers of several ranges [n]: to which range each belongs, and itself."""
    of = torch.arange(start.numel()).repeat_interleave(size)
    within = torch.arange(of.numel()) - (size.cumsum(0) - size)[of]
    return of, start[of] + within
