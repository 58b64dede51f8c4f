"""The nodes that a batch touches, each once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mrdib_graph.typing import Triplets


class BatchNodes(NamedTuple):
    """Node ids, and where the batch's users and items stand among them.

    Shapes:
        ``users`` [n_u], ``items`` [n_i] node ids; ``user_of`` [B], ``item_of`` [B + B n] rows,
        positives first; [B + n] where the batch shares its negatives.
    """

    users: Tensor
    items: Tensor
    user_of: Tensor
    item_of: Tensor


def distinct_nodes(batch: Triplets) -> BatchNodes:
    """Each node once: popular items recur in a batch, and are computed once."""
    users, user_of = torch.unique(batch.user, return_inverse=True)
    items, item_of = torch.unique(batch.items, return_inverse=True)
    return BatchNodes(users, items, user_of, item_of)


def all_nodes(batch: Triplets) -> BatchNodes:
    """For full tables, where a node's row is its id."""
    return BatchNodes(batch.user, batch.items, batch.user, batch.items)
