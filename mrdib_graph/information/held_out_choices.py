"""Held-out interactions with sampled candidates: the choices that a probe learns from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import DataError
from mrdib_graph.options import checked
from mrdib_graph.sparse import row_entries

MIN_INTERACTIONS = 500
HeldOut = Literal["test", "val", "val+test"]


@dataclass(frozen=True)
class HeldOutChoices:
    """Held-out interactions, sorted by fold and user; the rows of one user stay together.

    Shapes:
        ``user``, ``item``, ``fold`` [n]; ``candidates`` [n, c], drawn from q over the items that
        the user has not in training; ``popularity`` [I], q; ``train_ptr`` [U + 1] and
        ``train_item`` [E_train], the training items of each user, ascending.
    """

    user: Tensor
    item: Tensor
    fold: Tensor
    candidates: Tensor
    popularity: Tensor
    train_ptr: Tensor
    train_item: Tensor

    @property
    def num_items(self) -> int:
        """I, the number of items."""
        return self.popularity.numel()

    @property
    def users(self) -> tuple[Tensor, Tensor]:
        """Users in row order [u] and the position of each row's user [n]."""
        users, inverse = torch.unique_consecutive(self.user, return_inverse=True)
        return users, inverse

    def training_items(self, users: Tensor) -> tuple[Tensor, Tensor]:
        """Position within ``users`` and item of each of their training interactions [e], [e]."""
        return row_entries(self.train_ptr, self.train_item, users)

    def draw_items(self, count: int, generator: torch.Generator) -> Tensor:
        """Items drawn from q [count]."""
        cumulative = self.popularity.cumsum(0)
        at = torch.rand(count, generator=generator, dtype=torch.float64) * cumulative[-1]
        return torch.searchsorted(cumulative, at, right=True).clamp_max(self.num_items - 1)

    def in_training(self, user: Tensor, item: Tensor) -> Tensor:
        """Whether the pairs are training interactions, any broadcastable shape."""
        keys = self._keys()
        wanted = user * self.num_items + item
        at = torch.searchsorted(keys, wanted).clamp_max(keys.numel() - 1)
        return keys[at] == wanted

    def _keys(self) -> Tensor:
        rows = torch.arange(self.train_ptr.numel() - 1).repeat_interleave(self.train_ptr.diff())
        return rows * self.num_items + self.train_item


@checked
def held_out_choices(
    data: HeteroData, split: HeldOut, folds: int, candidates: int, max_interactions: int, seed: int
) -> HeldOutChoices:
    """Take the held-out interactions of a graph and draw their candidates.

    ``q`` is proportional to the training count of an item plus 1.

    Args:
        data: The graph.
        split: ``'test'``, ``'val'`` or ``'val+test'``.
        folds: Groups of users for cross-fitting.
        candidates: Sampled items for each interaction.
        max_interactions: More rows than this are subsampled.
        seed: Of every draw.

    Raises:
        ConfigError: ``split`` is unknown.
        DataError: Fewer than 500 held-out interactions, or fewer users than folds.
    """
    names: tuple[graph.Split, ...] = ("val", "test") if split == "val+test" else (split,)
    pairs = torch.cat([graph.interactions(data, name) for name in names], 1).cpu()
    if pairs.size(1) < MIN_INTERACTIONS:
        raise DataError(
            f"information profile: the {split} split has {pairs.size(1)} interactions, expected at "
            f"least {MIN_INTERACTIONS}; hold out more, or use split='val+test'"
        )
    generator = torch.Generator().manual_seed(seed)
    if pairs.size(1) > max_interactions:
        pairs = pairs[:, torch.randperm(pairs.size(1), generator=generator)[:max_interactions]]
    fold_of_user = torch.randperm(graph.num_users(data), generator=generator)
    users = torch.unique(pairs[0])
    if users.numel() < folds:
        raise DataError(
            f"information profile: {users.numel()} users have held-out interactions, expected at "
            f"least {folds}, one a fold; use fewer folds"
        )
    fold_of_user[users[fold_of_user[users].argsort()]] = torch.arange(users.numel()) % folds
    order = (fold_of_user[pairs[0]] * graph.num_users(data) + pairs[0]).argsort(stable=True)
    user, item = pairs[:, order]
    train = graph.interactions(data, "train").cpu()
    count = torch.bincount(train[1], minlength=graph.num_items(data)).double() + 1
    keys = (train[0] * graph.num_items(data) + train[1]).sort().values
    per_user = torch.bincount(train[0], minlength=graph.num_users(data))
    rows = HeldOutChoices(
        user,
        item,
        fold_of_user[user],
        item.unsqueeze(1),
        count / count.sum(),
        torch.cat([per_user.new_zeros(1), per_user.cumsum(0)]),
        keys % graph.num_items(data),
    )
    drawn = _draw_candidates(rows, candidates, generator)
    return replace(rows, candidates=drawn)


def _draw_candidates(rows: HeldOutChoices, count: int, generator: torch.Generator) -> Tensor:
    user = rows.user.repeat_interleave(count)
    item = rows.draw_items(user.numel(), generator)
    for _ in range(30):
        bad = rows.in_training(user, item).nonzero().squeeze(1)
        if bad.numel() == 0:
            break
        item[bad] = rows.draw_items(bad.numel(), generator)
    for row in rows.in_training(user, item).nonzero().squeeze(1).tolist():
        allowed = rows.popularity.clone()  # a user with nearly the whole catalogue in training
        allowed[rows.training_items(user[row : row + 1])[1]] = 0
        item[row] = torch.multinomial(allowed, 1, generator=generator)[0]
    return item.view(-1, count)
