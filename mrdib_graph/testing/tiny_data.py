"""A small split graph that holds the awkward cases on purpose."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError

_HISTORY = 6  # interactions of a user at least, of which one is validation and one is test
_WIDTHS = (12, 7, 5)


def tiny_data(
    num_users: int = 30,
    num_items: int = 40,
    modalities: Sequence[str] = ("image", "text"),
    seed: int = 0,
    missing: int = 1,
    duplicate_rows: bool = True,
    zero_row: bool = True,
    idle: bool = True,
) -> HeteroData:
    """A random graph for tests, small enough for a step in a millisecond.

    Items 0 and 1 have identical feature rows in every modality, item 2 has a row of zeros in the
    first modality, items 3 to 2 + ``missing`` lack the last modality, and the last user and the
    last item have no interaction.  Feature nodes are not in the order of the items.

    Args:
        num_users: U, 3 or more.
        num_items: I, 12 or more.
        modalities: Names, any number; raw widths are 12, 7, 5, 12, ...
        seed: Of everything that is drawn.
        missing: Items without the last modality.
        duplicate_rows: Whether items 0 and 1 share their features.
        zero_row: Whether item 2 has a row of zeros.
        idle: Whether the last user and the last item have no interaction.

    Raises:
        ConfigError: A size is too small.
    """
    for name, size, least in (("num_users", num_users, 3), ("num_items", num_items, 12)):
        if size < least:
            raise ConfigError(f"{name}: got {size}, expected {least} or more")
    if not 0 <= missing <= num_items - 4:
        raise ConfigError(f"missing: got {missing}, expected 0 to {num_items - 4}")
    generator = Generator().manual_seed(seed)
    data = HeteroData()
    data[graph.USER].num_nodes = num_users
    data[graph.ITEM].num_nodes = num_items
    _add_interactions(data, num_users - idle, num_items - idle, generator)
    for position, modality in enumerate(modalities):
        x = torch.randn(num_items, _WIDTHS[position % len(_WIDTHS)], generator=generator)
        if duplicate_rows:
            x[1] = x[0]
        if zero_row and position == 0:
            x[2] = 0.0
        items = torch.arange(num_items)
        if position == len(modalities) - 1:
            items = torch.cat([items[:3], items[3 + missing :]])
        _add_modality(data, modality, x, items, generator)
    return data


def _add_interactions(
    data: HeteroData, num_users: int, num_items: int, generator: Generator
) -> None:
    """Between 6 and 10 different items a user; the last two go to validation and test."""
    pairs, splits = [], []
    for user in range(num_users):
        size = _HISTORY + int(torch.randint(5, (), generator=generator))
        items = torch.randperm(num_items, generator=generator)[:size]
        pairs.append(torch.stack([torch.full_like(items, user), items]))
        splits.append(torch.tensor([0] * (size - 2) + [1, 2]))
    store = data[graph.INTERACTS]
    store.edge_index = torch.cat(pairs, dim=1)
    split = torch.cat(splits)
    for number, name in enumerate(graph.SPLITS):
        store[f"{name}_mask"] = split == number


def _add_modality(
    data: HeteroData, modality: str, x: Tensor, items: Tensor, generator: Generator
) -> None:
    """Rows x [I, d_m] of the given items, as feature nodes in a random order."""
    items = items[torch.randperm(items.numel(), generator=generator)]
    data[modality].x = x[items]
    nodes = torch.arange(items.numel())
    data[graph.describes(modality)].edge_index = torch.stack([nodes, items])
