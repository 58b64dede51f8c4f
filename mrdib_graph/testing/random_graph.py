"""Random graphs with the counts of public data sets, for timings: nothing is learned on them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from mrdib_graph import graph
from mrdib_graph.errors import ConfigError
from mrdib_graph.transforms.large_table import new_table

WIDTHS = {"image": 4096, "text": 384}


class Shape(NamedTuple):
    """Users, items and training interactions."""

    users: int
    items: int
    pairs: int


SHAPES = {
    "tiny": Shape(300, 200, 3_000),
    "baby": Shape(19_445, 7_050, 118_551),
    "sports": Shape(35_598, 18_357, 218_409),
    "clothing": Shape(39_387, 23_033, 197_338),
    "electronics": Shape(192_403, 63_001, 1_350_000),
}


def random_graph(
    shape: Shape, widths: dict[str, int] | None = None, held_out: int = 1, seed: int = 0
) -> HeteroData:
    """A split graph with long-tailed degrees; features are noisy copies of 64 prototypes.

    A table of features of 512 MiB or more is mapped from a file, as one that a data set reads is.

    Args:
        shape: Sizes; exactly ``pairs`` training interactions, one or more of each user.
        widths: Raw width of each modality, :data:`WIDTHS` by default.
        held_out: As many times the number of users are the test interactions, of any users.
        seed: Of everything.

    Raises:
        ConfigError: There are fewer pairs of a user and an item than interactions, or fewer
            training interactions than users.
    """
    count, possible = shape.pairs + held_out * shape.users, shape.users * shape.items
    if shape.pairs < shape.users or count > possible:
        raise ConfigError(
            f"pairs: got {shape.pairs} for {shape.users} users and {shape.items} items, expected "
            f"{shape.users} to {possible - held_out * shape.users}"
        )
    generator = Generator().manual_seed(seed)
    data = HeteroData()
    data[graph.USER].num_nodes, data[graph.ITEM].num_nodes = shape.users, shape.items
    pairs = _pairs(shape, count, generator)
    test = torch.zeros(pairs.size(1), dtype=torch.bool)
    test[shape.pairs :] = True
    store = data[graph.INTERACTS]
    store.edge_index = pairs
    store.train_mask, store.test_mask = ~test, test
    store.val_mask = torch.zeros_like(test)
    for modality, width in (widths or WIDTHS).items():
        prototypes = torch.randn(64, width, generator=generator)
        rows = torch.randint(64, (shape.items,), generator=generator)
        x = new_table((shape.items, width)).normal_(generator=generator)
        for part, of_part in zip(torch.split(x, 8192), torch.split(rows, 8192), strict=True):
            part.add_(prototypes[of_part])
        data[modality].x = x
        data[graph.describes(modality)].edge_index = torch.arange(shape.items).repeat(2, 1)
    return data


def _pairs(shape: Shape, count: int, generator: Generator) -> Tensor:
    """Distinct user-item pairs [2, count], each user's first ones foremost."""
    user_weight = torch.arange(1.0, shape.users + 1).pow(-0.4)
    item_weight = torch.arange(1.0, shape.items + 1).pow(-0.6)
    item_weight = item_weight[torch.randperm(shape.items, generator=generator)]
    keys = torch.empty(0, dtype=torch.int64)
    while keys.numel() < count:
        draws = 2 * count
        users = torch.cat(
            [
                torch.arange(shape.users),
                torch.multinomial(user_weight, draws, True, generator=generator),
            ]
        )
        items = torch.multinomial(item_weight, users.numel(), True, generator=generator)
        keys = _first_of_each(torch.cat([keys, users * shape.items + items]))
    keys = keys[:count]
    return torch.stack([keys // shape.items, keys % shape.items])


def _first_of_each(keys: Tensor) -> Tensor:
    """Distinct values in the order of their first occurrence."""
    unique, inverse = torch.unique(keys, return_inverse=True)
    first = torch.full((unique.numel(),), keys.numel())
    first = first.scatter_reduce(0, inverse, torch.arange(keys.numel()), "amin")
    return keys[first.sort().values]
