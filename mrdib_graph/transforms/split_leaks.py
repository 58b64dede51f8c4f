"""Detect a split that is a function of each user's list of ids instead of a random draw."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.sparse import place_in_group

SIGNIFICANCE = 1e-6
"""Probability under a random split below which the pattern is called a leak."""


def split_leaks(data: HeteroData) -> bool:
    r"""Whether the split label is a function of (user's row count, position of the item's id).

    A split that shuffles every user's sorted rows with the same seed has this property: items at
    some positions of an id order are never held out, and a model that sees ids can learn it.  The
    orders looked at are the item index and, where the graph has it, ``data['item'].raw_id``.

    A cell is a pair (row count, position).  The answer is True when every cell holds one label and
    a random split of the same label shares p would do that with probability
    :math:`\prod_c \sum_l p_l^{n_c}` below ``SIGNIFICANCE``, :math:`n_c` rows in cell c.

    Raises:
        DataError: The interactions are not split.
    """
    label = graph.split_labels(data)
    user, item = data[graph.INTERACTS].edge_index
    orders = [item]
    raw = data[graph.ITEM].get("raw_id")
    if raw is not None:
        orders.append(raw[item])
    return any(_is_function(user, order, label) for order in orders)


def _is_function(user: Tensor, key: Tensor, label: Tensor) -> bool:
    order = torch.argsort(key, stable=True)
    order = order[torch.argsort(user[order], stable=True)]
    counts = torch.bincount(user)
    position = place_in_group(user[order])
    cell = counts[user[order]] * (int(counts.max()) + 1) + position
    _, cell, rows = torch.unique(cell, return_inverse=True, return_counts=True)
    low = torch.full_like(rows, 2).scatter_reduce_(0, cell, label[order], "amin")
    high = torch.zeros_like(rows).scatter_reduce_(0, cell, label[order], "amax")
    if bool((low != high).any()):
        return False
    share = torch.bincount(label, minlength=3).double() / label.numel()
    log_chance = (share.unsqueeze(0) ** rows.unsqueeze(1)).sum(1).log().sum()
    return float(log_chance) < math.log(SIGNIFICANCE)
