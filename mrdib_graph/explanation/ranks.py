"""Where given items stand in the rankings of their users."""

from __future__ import annotations

import torch
from torch import Tensor

from mrdib_graph.serving.recommend import SCORES_PER_BLOCK, History


def ranks(
    user_table: Tensor, item_table: Tensor, users: Tensor, items: Tensor, history: History
) -> tuple[Tensor, Tensor, Tensor]:
    """Rank of each item for its user among the items that the user does not have in training.

    Of equal scores the lower item row ranks first, as in a bundle.  An item of the history gets
    the place that it would take.

    Args:
        user_table: [U, w].
        item_table: [I, w].
        users: Rows of the users [P].
        items: Rows of the items [P].
        history: Training items of each user.

    Returns:
        Rank [P] from 1, number of unseen items [P], whether the item is in the history [P].
    """
    num_items = item_table.size(0)
    row = torch.arange(num_items)
    parts = []
    size = max(1, SCORES_PER_BLOCK // num_items)
    for user, item in zip(*(torch.split(x, size) for x in (users, items)), strict=True):
        scores = user_table[user] @ item_table.t()  # [b, I]
        own = scores.gather(1, item.unsqueeze(1))
        before = (scores > own) | ((scores == own) & (row < item.unsqueeze(1)))
        unseen = torch.ones_like(before)
        unseen[history.positions(user)] = False
        seen = ~unseen.gather(1, item.unsqueeze(1)).squeeze(1)
        parts.append(((before & unseen).sum(1) + 1, unseen.sum(1), seen))
    if not parts:
        empty = torch.empty(0, dtype=torch.int64)
        return empty, empty, empty.bool()
    rank, num_unseen, seen = (torch.cat(part) for part in zip(*parts, strict=True))
    return rank, num_unseen, seen
